// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Section is a place in a document, for complaints about it. The zero Section says nothing and takes complaints silently,
// so that a Validate can be called by a test on its own.
type Section struct {
	doc    *Document
	path   string
	pos    position
	layers []layer // the nodes at this place, the one in force last; none if the key is not written
}

// layer is a node and the path at which the file has it, which for an override differs from where it counts.
type layer struct {
	path string
	node *node
}

// node is the one in force, nil if the place is not written.
func (s Section) node() *node {
	if len(s.layers) == 0 {
		return nil
	}
	return s.layers[len(s.layers)-1].node
}

// At is a place below s: "hostname", "listen[1].address", `maps["a.b"]`. What is absent has the position of its nearest
// parent, and complaints about it still give the whole path.
func (s Section) At(path string) Section {
	for _, step := range steps(path) {
		s = s.step(step)
	}
	return s
}

func (s Section) step(name string) Section {
	next := Section{doc: s.doc, path: extend(s.path, name), pos: s.pos}
	for i := len(s.layers) - 1; i >= 0; i-- {
		l := s.layers[i]
		n := l.node.step(name)
		if n == nil {
			continue
		}
		if len(next.layers) == 0 {
			next.path, next.pos = extend(l.path, name), n.pos
		}
		next.layers = append([]layer{{extend(l.path, name), n}}, next.layers...)
		if n.kind != mappingNode { // replaces what lies below it
			break
		}
	}
	return next
}

// step goes to a key, or to "[3]", the fourth item.
func (n *node) step(name string) *node {
	if n.kind == mappingNode {
		return n.child(name)
	}
	if index, ok := strings.CutPrefix(name, "["); ok && n.kind == sequenceNode {
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if err == nil && i >= 0 && i < len(n.items) {
			return n.items[i]
		}
	}
	return nil
}

// Has reports whether a key is written in the file.
func (s Section) Has(key string) bool { return s.At(key).node() != nil }

// Present reports whether the place itself is written in the file. A field of type Section is set to its place and holds
// what is not decoded yet, for Document.Decode to lay over the rest.
func (s Section) Present() bool { return s.node() != nil }

// Under is s with overlays on top: a place below it is where the last of them has it written.
func (s Section) Under(overlays ...Section) Section {
	s.layers = slices.Clone(s.layers)
	for _, o := range overlays {
		if o.isMapping() {
			s.layers = append(s.layers, o.layers...)
		}
	}
	return s
}

func (s Section) isMapping() bool { return s.node() != nil && s.node().kind == mappingNode }

// Spoiled reports that there is an error at s or below it: what stands there is not worth a closer look.
func (s Section) Spoiled() bool {
	return s.doc != nil && slices.ContainsFunc(s.doc.report.Problems, func(p Problem) bool {
		below, ok := strings.CutPrefix(p.Path, s.path)
		return ok && !p.Warning && (s.path == "" || below == "" || below[0] == '.' || below[0] == '[')
	})
}

// Path is the place as complaints name it.
func (s Section) Path() string { return s.path }

// Place is file:line:column.
func (s Section) Place() string {
	if s.doc == nil {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", s.doc.file, s.pos.line, s.pos.column)
}

// Dir is the folder of the file, against which relative paths are resolved.
func (s Section) Dir() string {
	if s.doc == nil {
		return "."
	}
	return s.doc.dir()
}

// Errorf adds an error. It is dropped where decoding has failed already: what Validate sees there is not what was written.
func (s Section) Errorf(format string, args ...any) {
	s.report(Problem{Message: fmt.Sprintf(format, args...)})
}

// Warnf adds a complaint that does not stop a start.
func (s Section) Warnf(format string, args ...any) {
	s.report(Problem{Message: fmt.Sprintf(format, args...), Warning: true})
}

// Unenforced says that a setting is understood and not acted upon yet. weakens means that mail would be treated less
// strictly than the file asks for; a start then needs --allow-unenforced.
func (s Section) Unenforced(weakens bool, format string, args ...any) {
	s.report(Problem{Message: fmt.Sprintf(format, args...), Warning: true, Unenforced: true, Weakens: weakens})
}

func (s Section) report(p Problem) {
	if s.doc == nil || s.doc.failed[s.path] {
		return
	}
	p.Path = s.path
	s.doc.add(p, s.pos)
}

// fail is Errorf for the decoder; later complaints about the same place are dropped.
func (s Section) fail(format string, args ...any) {
	s.Errorf(format, args...)
	s.doc.failed[s.path] = true
}

// join makes the path of a key, quoting a key that is not made of letters, digits, hyphens and underscores.
func join(path, key string) string {
	if key == "" || strings.Trim(key, letters) != "" {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// extend adds a step, a key or "[3]", to a path.
func extend(path, step string) string {
	if isIndex(step) {
		return path + step
	}
	return join(path, step)
}

func isIndex(step string) bool {
	inner, ok := strings.CutPrefix(step, "[")
	_, err := strconv.Atoi(strings.TrimSuffix(inner, "]"))
	return ok && err == nil
}

// steps splits a path into keys and indices, the latter in their brackets.
func steps(path string) []string {
	var out []string
	for path != "" {
		if path[0] == '[' {
			if quoted, err := strconv.QuotedPrefix(path[1:]); err == nil {
				key, _ := strconv.Unquote(quoted)
				out, path = append(out, key), strings.TrimPrefix(path[1+len(quoted):], "]")
			} else {
				index, rest, _ := strings.Cut(path, "]")
				out, path = append(out, index+"]"), rest
			}
		} else if end := strings.IndexAny(path, ".["); end >= 0 {
			out, path = append(out, path[:end]), path[end:]
		} else {
			out, path = append(out, path), ""
		}
		path = strings.TrimPrefix(path, ".")
	}
	return out
}
