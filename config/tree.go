// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// kind is what a node of the document is.
type kind int

const (
	nullNode kind = iota
	scalarNode
	mappingNode
	sequenceNode
)

func (k kind) String() string {
	return [...]string{"nothing", "a single value", "a mapping (key: value)", "a list"}[k]
}

// position is a line and a column, both from 1.
type position struct{ line, column int }

// node is the document as the decoder sees it: the syntax tree without YAML's spellings.
type node struct {
	kind   kind
	pos    position // where a complaint about it points: the value of a scalar, the key of anything larger
	text   string   // of a scalar, unquoted
	quoted bool     // a quoted or block scalar, which is text whatever it looks like
	keys   []entry  // of a mapping, in the file's order, each key once
	items  []*node  // of a sequence
}

// entry is one key of a mapping.
type entry struct {
	name  string
	pos   position
	value *node
}

// child returns the value of a key, nil if it is not written.
func (n *node) child(name string) *node {
	for _, e := range n.keys {
		if e.name == name {
			return e.value
		}
	}
	return nil
}

// builder turns goccy's syntax tree into nodes, complaining of duplicate keys as it goes.
type builder struct{ doc *Document }

func (b builder) build(path string, n ast.Node, at position) *node {
	switch n := n.(type) {
	case *ast.MappingNode:
		return b.mapping(path, n.Values, at)
	case *ast.MappingValueNode: // a block mapping of one key
		return b.mapping(path, []*ast.MappingValueNode{n}, at)
	case *ast.SequenceNode:
		return b.sequence(path, n, at)
	case *ast.LiteralNode:
		return &node{kind: scalarNode, pos: at, text: n.Value.Value, quoted: true}
	case *ast.NullNode, nil:
		return &node{kind: nullNode, pos: at}
	case *ast.CommentGroupNode:
		return &node{kind: nullNode, pos: at}
	case ast.ScalarNode:
		return b.scalar(n)
	}
	b.doc.complain(path, at, "this kind of YAML (%s) is not used here", strings.ToLower(n.Type().String()))
	return &node{kind: nullNode, pos: at}
}

func (b builder) scalar(n ast.ScalarNode) *node {
	t := n.GetToken()
	quoted := t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
	text := t.Value
	if s, ok := n.(*ast.StringNode); ok {
		text = s.Value
	}
	return &node{kind: scalarNode, pos: b.doc.behindSpace(tokenPosition(t)), text: text, quoted: quoted}
}

func (b builder) mapping(path string, values []*ast.MappingValueNode, at position) *node {
	n := &node{kind: mappingNode, pos: at}
	seen := make(map[string]position, len(values))
	for _, v := range values {
		key := v.Key.GetToken()
		name, pos := key.Value, tokenPosition(key)
		if s, ok := v.Key.(*ast.StringNode); ok {
			name = s.Value
		}
		if first, ok := seen[name]; ok {
			b.doc.complain(join(path, name), pos, "duplicate key; it is already on line %d", first.line)
			continue
		}
		seen[name] = pos
		n.keys = append(n.keys, entry{name, pos, b.build(join(path, name), v.Value, pos)})
	}
	return n
}

func (b builder) sequence(path string, s *ast.SequenceNode, at position) *node {
	n := &node{kind: sequenceNode, pos: at}
	for i, v := range s.Values {
		pos := at
		if t := v.GetToken(); t != nil {
			pos = itemPosition(v, t)
		}
		n.items = append(n.items, b.build(fmt.Sprintf("%s[%d]", path, i), v, pos))
	}
	return n
}

// itemPosition is where a list's element begins. A block mapping's token is the colon after its first key.
func itemPosition(n ast.Node, t *token.Token) position {
	switch n := n.(type) {
	case *ast.MappingValueNode:
		t = n.Key.GetToken()
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			t = n.Values[0].Key.GetToken()
		}
	}
	return tokenPosition(t)
}

func tokenPosition(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// behindSpace moves on from a tab, which the scanner takes for the beginning of the value behind it.
func (d *Document) behindSpace(at position) position {
	if at.line > len(d.lines) {
		return at
	}
	text := []rune(d.lines[at.line-1])
	for at.column <= len(text) && (text[at.column-1] == '\t' || text[at.column-1] == ' ') {
		at.column++
	}
	return at
}
