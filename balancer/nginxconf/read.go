// SPDX-License-Identifier: MIT

package nginxconf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of a configuration. The largest seen in the field, of an ingress with a thousand hosts, has 5 MiB.
const (
	maxBytes      = 16 << 20
	maxFiles      = 1000
	maxDepth      = 32 // files that include each other, and blocks in each other
	maxDirectives = 200_000
)

// Files is where configuration files are.
type Files interface {
	Read(name string, most int64) ([]byte, error) // more than most octets is an error
	Glob(pattern string) ([]string, error)        // sorted; none is no error
}

// reader is one run over a main file and all that it includes.
type reader struct {
	files      Files
	prefix     string
	chain      []string // the files being read, each included by the one before
	opened     int
	octets     int
	directives int
}

// Read is the tree of a main file. Includes are followed where stream servers may be: at the top, and in stream, upstream
// and server blocks. What stands in http, mail and other blocks is read for its braces alone.
func Read(file string, o Options) ([]Directive, error) {
	r := &reader{files: o.Files, prefix: o.Prefix}
	if r.files == nil {
		r.files = machine{}
	}
	if r.prefix == "" {
		r.prefix = filepath.Dir(file)
	}
	text, err := r.files.Read(file, maxBytes)
	if err != nil {
		return nil, &Error{File: file, Text: err.Error()}
	}
	return r.file(file, text, scope{follow: true, top: true}, 0)
}

// file reads one file: a block never goes beyond it.
func (r *reader) file(name string, text []byte, s scope, depth int) ([]Directive, error) {
	r.opened++
	r.octets += len(text)
	r.chain = append(r.chain, filepath.Clean(name))
	defer func() { r.chain = r.chain[:len(r.chain)-1] }()
	s.inside = false
	return r.block(newLexer(name, text), s, depth)
}

// scope is where the reader is.
type scope struct {
	follow bool // includes are read
	top    bool // outside all blocks
	inside bool // of braces, which have to end
	flat   bool // there are no blocks in this one
}

// block reads up to the brace that ends it, or to the end of a file.
func (r *reader) block(l *lexer, s scope, depth int) ([]Directive, error) {
	var out []Directive
	for {
		words, line, end, err := l.next()
		if err != nil {
			return nil, err
		}
		switch {
		case end == endOfFile && s.inside:
			return nil, l.errorf(`unexpected end of file, expecting "}"`)
		case end == closeBrace && !s.inside:
			return nil, l.errorf(`unexpected "}"`)
		case end == endOfFile, end == closeBrace:
			return out, nil
		}
		d := Directive{File: l.file, Line: line, Name: words[0], Args: words[1:], Open: end == openBrace, order: r.directives}
		if r.directives++; r.directives > maxDirectives {
			return nil, d.errorf("more than %d directives: not read any further", maxDirectives)
		}
		if d.Name == "include" && s.follow && !d.Open {
			more, err := r.include(&d, s, depth)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
			continue
		}
		if d.Open {
			if err := r.inside(l, &d, s, depth); err != nil {
				return nil, err
			}
		}
		out = append(out, d)
	}
}

// inside reads the braces of a directive.
func (r *reader) inside(l *lexer, d *Directive, s scope, depth int) (err error) {
	if depth >= maxDepth {
		return d.errorf("blocks within blocks, more than %d deep", maxDepth)
	}
	if s.flat {
		return &Error{File: l.file, Line: l.line, Text: `unexpected "{"`}
	}
	if strings.HasSuffix(d.Name, "_by_lua_block") {
		return l.skipLua()
	}
	follow := s.follow && (d.Name == "upstream" || d.Name == "server" || d.Name == "stream" && s.top)
	flat := d.Name == "map" || d.Name == "geo" || d.Name == "split_clients" || d.Name == "types"
	d.Block, err = r.block(l, scope{follow: follow, inside: true, flat: flat}, depth+1)
	return err
}

// include reads the files that an include names.
func (r *reader) include(d *Directive, s scope, depth int) ([]Directive, error) {
	if len(d.Args) != 1 {
		return nil, d.errorf(`invalid number of arguments in "include" directive`)
	}
	name := d.Args[0]
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.prefix, name)
	}
	names := []string{name}
	if strings.ContainsAny(name, "*?[") {
		var err error
		if names, err = r.files.Glob(name); err != nil {
			return nil, d.errorf("include %s: %v", d.Args[0], err)
		}
	}
	var out []Directive
	for _, n := range names {
		more, err := r.included(d, n, s, depth)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// included reads one of them.
func (r *reader) included(d *Directive, name string, s scope, depth int) ([]Directive, error) {
	switch {
	case slices.Contains(r.chain, filepath.Clean(name)):
		return nil, d.errorf("include %s: the file includes itself: %s", d.Args[0], strings.Join(append(slices.Clone(r.chain), name), " > "))
	case len(r.chain) >= maxDepth:
		return nil, d.errorf("include %s: files within files, more than %d deep", d.Args[0], maxDepth)
	case r.opened >= maxFiles:
		return nil, d.errorf("include %s: more than %d files", d.Args[0], maxFiles)
	}
	text, err := r.files.Read(name, int64(maxBytes-r.octets))
	if err != nil {
		return nil, d.errorf("include %s: %s: %v", d.Args[0], name, err)
	}
	return r.file(name, text, s, depth)
}

// machine is the files of the machine.
type machine struct{}

// Read wants a regular file, so that none is waited for.
func (machine) Read(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, plain(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, plain(err)
	}
	if int64(len(text)) > most {
		return nil, fmt.Errorf("the configuration is larger than %d MiB", maxBytes>>20)
	}
	return text, nil
}

// plain takes the file's name off an error: it stands before it.
func plain(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Glob is glob(3) as NGINX calls it: what begins with a dot is named or left out, and a pattern that is none finds nothing.
func (machine) Glob(pattern string) ([]string, error) {
	names, err := filepath.Glob(strings.ReplaceAll(pattern, "[!", "[^"))
	if err != nil {
		return nil, nil
	}
	return slices.DeleteFunc(names, func(name string) bool { return hidden(pattern, name) }), nil
}

// hidden reports a name with a dot that its pattern does not have.
func hidden(pattern, name string) bool {
	patterns := strings.Split(filepath.Clean(pattern), "/")
	for i, part := range strings.Split(name, "/") {
		if i < len(patterns) && strings.HasPrefix(part, ".") && !strings.HasPrefix(patterns[i], ".") {
			return true
		}
	}
	return false
}
