// SPDX-License-Identifier: MIT

package nginxconf

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Result is what an import makes.
type Result struct {
	YAML  []byte // the balancer section; nil if there is none
	Notes []Note // by file and line
}

// ErrNothing is a configuration from which no service can be made.
var ErrNothing = errors.New("no stream server that the balancer can take over")

// importer is one run.
type importer struct {
	notes    []Note
	groups   map[string]*group
	zones    map[string]*zone
	services []*service
	doors    map[int][]door // of all services, by port
	names    map[string]int // of all services, and the number of the last one that begins so
}

// mostBlocks is how many server blocks are read.
const mostBlocks = 5000

// maxNotes bounds what is said.
const maxNotes = 20_000

// zone is a limit_conn_zone.
type zone struct {
	key  string
	used *Directive // the first server that limits by it
}

// note adds a Note about a directive.
func (im *importer) note(d *Directive, format string, args ...any) {
	if len(im.notes) < maxNotes {
		im.notes = append(im.notes, Note{d.File, d.Line, d.Name, fmt.Sprintf(format, args...)})
	}
}

// Import reads an NGINX configuration: a main file, whose stream block counts, or a file that is the inside of one. With
// ErrNothing the Result is there too, and its notes say why.
func Import(file string, o Options) (*Result, error) {
	tree, err := Read(file, o)
	if err != nil {
		return nil, err
	}
	im := &importer{
		groups: make(map[string]*group), zones: make(map[string]*zone), doors: make(map[int][]door), names: make(map[string]int),
	}
	stream, err := im.find(tree)
	if err == nil {
		err = im.stream(stream)
	}
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(im.notes, func(a, b Note) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	r := &Result{Notes: slices.Compact(im.notes)}
	if len(im.services) == 0 {
		return r, &Error{File: file, Text: ErrNothing.Error(), err: ErrNothing}
	}
	r.YAML, err = im.yaml(file)
	return r, err
}

// find is the inside of the stream block: that of a main file, or the file itself.
func (im *importer) find(tree []Directive) ([]Directive, error) {
	has := func(names ...string) bool {
		return slices.ContainsFunc(tree, func(d Directive) bool { return d.Open && slices.Contains(names, d.Name) })
	}
	if has("server", "upstream") && !has("stream", "http", "mail", "events") {
		return tree, nil
	}
	var stream *Directive
	for i := range tree {
		d := &tree[i]
		switch {
		case d.Name != "stream":
			im.advise(d, mainAdvice)
		case !d.Open:
			return nil, d.errorf(`directive "stream" has no opening "{"`)
		case stream != nil:
			return nil, d.errorf(`"stream" directive is duplicate: another begins in line %d`, stream.Line)
		default:
			stream = d
		}
	}
	if stream == nil {
		return nil, nil
	}
	return stream.Block, nil
}

// stream reads upstream blocks and zones, then the servers that use them, wherever they stand.
func (im *importer) stream(block []Directive) error {
	level := collect(block)
	for _, d := range level["upstream"] {
		if err := im.upstream(d); err != nil {
			return err
		}
	}
	for _, d := range level["limit_conn_zone"] {
		if err := im.zone(d); err != nil {
			return err
		}
	}
	for i := range block {
		if d := &block[i]; !carried[d.Name] && d.Name != "server" && d.Name != "upstream" && d.Name != "limit_conn_zone" {
			im.advise(d, streamAdvice)
		}
	}
	for i, d := range level["server"] {
		if i == mostBlocks {
			return d.errorf("more than %d servers: import them in parts", mostBlocks)
		}
		if err := im.server(d, level); err != nil {
			return err
		}
	}
	return nil
}

// zone reads `limit_conn_zone KEY zone=NAME:SIZE`.
func (im *importer) zone(d *Directive) error {
	if len(d.Args) != 2 {
		return d.errorf(`invalid number of arguments in "limit_conn_zone" directive`)
	}
	name, sized := strings.CutPrefix(d.Args[1], "zone=")
	name, _, also := strings.Cut(name, ":")
	if !sized || !also || name == "" {
		return d.errorf("invalid zone size %q", d.Args[1])
	}
	im.zones[name] = &zone{key: d.Args[0]}
	return nil
}

// level is the directives of one block, by name.
type level map[string][]*Directive

func collect(block []Directive) level {
	l := make(level)
	for i := range block {
		l[block[i].Name] = append(l[block[i].Name], &block[i])
	}
	return l
}
