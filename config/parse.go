// SPDX-License-Identifier: MIT

package config

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a cluster file. The largest one seen in the field has a few hundred lines.
const (
	maxFile  = 1 << 20
	maxDepth = 32    // lists and mappings within each other
	maxKeys  = 20000 // the parser's time grows with the square of a mapping's keys
)

// parse reads data into d.root, or complains.
func (d *Document) parse(data []byte) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	d.lines = strings.Split(string(data), "\n")
	if !d.readable(data) {
		return
	}
	tokens := lexer.Tokenize(string(data))
	if !d.plain(tokens) {
		return
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return
	}
	d.root = builder{d}.build("", d.body(file), position{1, 1})
	if d.root.kind == nullNode {
		d.root = &node{kind: mappingNode, pos: position{1, 1}}
	}
}

// body is the one document of a file.
func (d *Document) body(file *ast.File) ast.Node {
	var found ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case found == nil:
			found = doc.Body
		default:
			d.complain("", itemPosition(doc.Body, doc.Body.GetToken()), "a second YAML document begins here; the file is one document")
		}
	}
	return found
}

// syntax reports what the parser could not read. It knows only the first such place.
func (d *Document) syntax(err error) {
	var at yaml.Error
	if !errors.As(err, &at) {
		d.complain("", position{1, 1}, "not readable as YAML: %v", err)
		return
	}
	message, _, _ := strings.Cut(at.GetMessage(), "\n")
	message = strings.ReplaceAll(message, "\t", `\t`)
	for _, h := range hints {
		if strings.Contains(message, h.said) {
			message += "; " + h.hint
			break
		}
	}
	d.complain("", tokenPosition(at.GetToken()), "not readable as YAML: %s", message)
}

// hints say what is usually behind the parser's words, some of which name the effect and not the cause.
var hints = []struct{ said, hint string }{
	{"cannot start any token", "indent with spaces, not tabs"},
	{"mapping value is not allowed", "look for a line that is indented too far, or quote text that has a colon in it"},
	{"value is not allowed", "look for a quote above that is not closed"},
	{"must be specified", "look for a bracket that is not closed, or quote text that has brackets or braces in it"},
	{"non-map value", "behind a key stand a colon and a space"},
	{"unexpected key name", "behind a key stand a colon and a space"},
}

// readable refuses what is no text: the parser would take a binary file for one very long scalar.
func (d *Document) readable(data []byte) bool {
	if len(data) > maxFile {
		d.complain("", position{}, "is larger than %v", Size(maxFile))
		return false
	}
	for i, line := range d.lines {
		if at := strings.IndexFunc(strings.TrimSuffix(line, "\r"), unreadable); at >= 0 {
			pos := position{i + 1, utf8.RuneCountInString(line[:at]) + 1}
			d.complain("", pos, "not readable as YAML: a byte or control character that does not belong into a text file")
			return false
		}
	}
	return true
}

// unreadable also takes a CR that no LF follows: to YAML it ends a line, to an editor it does not.
func unreadable(r rune) bool {
	return r == utf8.RuneError || r < ' ' && r != '\t' || r == 0x7f || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// refused names the parts of YAML that this file has no use for.
var refused = map[token.Type]string{
	token.AnchorType:     "anchors (&name) are not supported; write the value out",
	token.AliasType:      "aliases (*name) are not supported; write the value out, or quote it if it begins with *",
	token.MergeKeyType:   "merge keys (<<) are not supported; write the keys out",
	token.TagType:        "tags (!name) are not supported; quote the value if it begins with !",
	token.DirectiveType:  "directives (%NAME) are not supported; quote the value if it begins with %",
	token.MappingKeyType: "keys that begin with ? are not supported; quote it if it is text",
}

// plain complains of YAML that is refused, and of nesting so deep that the parser, which recurses, must not see it.
func (d *Document) plain(tokens token.Tokens) bool {
	ok, flow, keys := true, 0, 0
	for _, t := range tokens {
		if why := refused[t.Type]; why != "" {
			d.complain("", tokenPosition(t), "%s", why)
			ok = false
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.MappingValueType:
			keys++
		}
		// In block style each level is at least one column further to the right.
		deep := t.Type == token.SequenceEntryType && t.Position.Column > 4*maxDepth
		if flow > maxDepth || deep {
			d.complain("", tokenPosition(t), "nested more than %d levels deep", maxDepth)
			return false
		}
		if keys > maxKeys {
			d.complain("", tokenPosition(t), "more than %d keys", maxKeys)
			return false
		}
	}
	return ok
}
