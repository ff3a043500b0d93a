// SPDX-License-Identifier: MIT

package nginxconf

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree is files by name, for tests.
type tree map[string]string

func (t tree) Read(name string, most int64) ([]byte, error) {
	text, ok := t[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	if int64(len(text)) > most {
		return nil, errors.New("too large")
	}
	return []byte(text), nil
}

func (t tree) Glob(pattern string) (names []string, err error) {
	for name := range t {
		if ok, _ := filepath.Match(pattern, name); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// read is the words of a file: statements are divided by ; and blocks are in braces.
func read(text string) string {
	d, err := Read("c", Options{Files: tree{"c": text}})
	if err != nil {
		return err.Error()
	}
	return show(d)
}

func show(list []Directive) string {
	var out []string
	for _, d := range list {
		s := strings.Join(append([]string{d.Name}, d.Args...), "|")
		if d.Open {
			s += "{" + show(d.Block) + "}"
		}
		out = append(out, s)
	}
	return strings.Join(out, ";")
}

// What NGINX's reader makes of words, quotes, comments and braces. The interop test puts the same to nginx -t.
func TestLexer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                     "",
		"# only a comment":     "",
		"a;":                   "a",
		"a b\tc\r\nd;":         "a|b|c|d",
		"a # not b;\nc;":       "a|c",
		"a b#c;":               "a|b#c",
		`a "b c" 'd;{}' ;`:     "a|b c|d;{}",
		`a "b\"c" 'd\'e';`:     `a|b"c|d'e`,
		`a b\ c\;d;`:           `a|b\ c\;d`,
		`a "x\ty\n" \\ \q "";`: "a|x\ty\n|\\|\\q|",
		`a b"c d"e;`:           `a|b"c|d"e`,
		"a ${b}c $d${e};":      "a|${b}c|$d${e}",
		"a b${{c};":            "a|b${{c}",
		"a x}y;":               "a|x}y",
		"a{b c{d;}}e;":         "a{b|c{d}};e",
		"a {}b{}":              "a{};b{}",
		`if ($a = "b") { c; }`: "if|($a|=|b|){c}",
		"a\n\"b\nc\";":         "a|b\nc",
		"x_by_lua_block { s = '}' -- }\n t = {} } y;": "x_by_lua_block{};y",
		"a":                                     `c:1: unexpected end of file, expecting ";" or "}"`,
		"a 'b":                                  `c:1: unexpected end of file, expecting ";" or "}"`,
		"a 'b'":                                 `c:1: unexpected end of file, expecting ";" or "}"`,
		"\n\na {":                               `c:3: unexpected end of file, expecting "}"`,
		"a;\n}":                                 `c:2: unexpected "}"`,
		"a {\nb }":                              `c:2: unexpected "}"`,
		";":                                     `c:1: unexpected ";"`,
		"{":                                     `c:1: unexpected "{"`,
		"a;;":                                   `c:1: unexpected ";"`,
		`a "b"c;`:                               `c:1: unexpected "c"`,
		`a 'b'"c";`:                             `c:1: unexpected """`,
		"a {{b;}}":                              `c:1: unexpected "{"`,
		"a\n" + strings.Repeat("x", 5000) + ";": `c:2: too long parameter "xxxxxxxxxx..." started`,
		"a\n\"" + strings.Repeat("\n", 5000) + "\";": `c:2: too long parameter, probably missing terminating """ character`,
		"# " + strings.Repeat("x", 5000) + "\n":      `c:1: too long parameter "# xxxxxxxx..." started`,
		"a " + strings.Repeat("x", 4095) + ";":       "a|" + strings.Repeat("x", 4095),
		"x_by_lua_block { '":                         `c:1: unexpected end of file, expecting "}"`,
	} {
		if got := read(text); got != want {
			t.Errorf("%.60q: got %.200q, want %.200q", text, got, want)
		}
	}
}

// Includes are followed from the main file's folder or the prefix, in the order of their names, and never in circles.
func TestIncludes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, prefix string
		files        tree
		want         string
	}{
		{"relative", "", tree{"/e/nginx.conf": "include a.conf; stream { include s/*.conf; }", "/e/a.conf": "a;",
			"/e/s/2.conf": "two;", "/e/s/1.conf": "one;"}, "a;stream{one;two}"},
		{"prefix", "/p", tree{"/e/nginx.conf": "include a.conf;", "/p/a.conf": "p;"}, "p"},
		{"absolute", "/p", tree{"/e/nginx.conf": "include /x/a.conf;", "/x/a.conf": "x;"}, "x"},
		{"no match", "", tree{"/e/nginx.conf": "include none/*.conf; a;"}, "a"},
		{"one of the main file's folder", "", tree{"/e/nginx.conf": "include s/a.conf;", "/e/s/a.conf": "include b.conf;", "/e/b.conf": "b;"}, "b"},
		{"missing", "", tree{"/e/nginx.conf": "a;\ninclude b.conf;"}, "/e/nginx.conf:2: include b.conf: /e/b.conf: file does not exist"},
		{"circle", "", tree{"/e/nginx.conf": "include b.conf;", "/e/b.conf": "\ninclude ./nginx.conf;"},
			"/e/b.conf:2: include ./nginx.conf: the file includes itself: /e/nginx.conf > /e/b.conf > /e/nginx.conf"},
		{"not in http", "", tree{"/e/nginx.conf": "http { include mime.types; server { include x; } }"}, "http{include|mime.types;server{include|x}}"},
		{"in a server", "", tree{"/e/nginx.conf": "stream { server { include x; } }", "/e/x": "listen 1;"}, "stream{server{listen|1}}"},
		{"block over the end", "", tree{"/e/nginx.conf": "stream { include x; }", "/e/x": "server {"}, `/e/x:1: unexpected end of file, expecting "}"`},
		{"brace of another file", "", tree{"/e/nginx.conf": "stream { include x;", "/e/x": "}"}, `/e/x:1: unexpected "}"`},
		{"two words", "", tree{"/e/nginx.conf": "include a b;"}, `/e/nginx.conf:1: invalid number of arguments in "include" directive`},
	} {
		d, err := Read("/e/nginx.conf", Options{Prefix: test.prefix, Files: test.files})
		got := show(d)
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// Depth, files, octets and directives end somewhere.
func TestBounds(t *testing.T) {
	t.Parallel()
	many := tree{"/n": strings.Repeat("include x;", maxFiles+1), "/x": ""}
	deep := tree{"/n": "include f;"}
	for i, name := 0, "/f"; i < maxDepth+2; i, name = i+1, name+"f" {
		deep[name] = "include " + name[1:] + "f;"
	}
	for what, test := range map[string]struct {
		files tree
		want  string
	}{
		"files":      {many, "more than 1000 files"},
		"depth":      {deep, "more than 32 deep"},
		"blocks":     {tree{"/n": strings.Repeat("a{", 40)}, "more than 32 deep"},
		"directives": {tree{"/n": strings.Repeat("a;", maxDirectives+1)}, "more than 200000 directives"},
		"octets":     {tree{"/n": "include x; include y;", "/x": strings.Repeat(" ", maxBytes-5), "/y": "       "}, "too large"},
	} {
		if _, err := Read("/n", Options{Files: test.files}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
