// SPDX-License-Identifier: MIT

package config

import (
	"encoding"
	"errors"
	"reflect"
	"strconv"
)

// Defaulter is a struct with default values. SetDefaults runs before decoding, for each element of a list too.
type Defaulter interface{ SetDefaults() }

// Validator is a value that can be wrong by itself. Children are asked before their parent.
type Validator interface{ Validate(at Section) }

// ScalarUnmarshaler is a struct or list that may also be written as a single value: `listen: ":25"`.
type ScalarUnmarshaler interface{ UnmarshalScalar(text string) error }

// ListUnmarshaler is a value that may also be written as a list of single values: `virtual_mailbox_domains: [a, b]`.
type ListUnmarshaler interface{ UnmarshalList(items []string) error }

// ListMarshaler is a ListUnmarshaler that can be shown; nil if it was a single value.
type ListMarshaler interface{ MarshalList() []string }

type decoder struct{ doc *Document }

// value decodes the node at a place into v, which holds its default.
func (d decoder) value(at Section, v reflect.Value) {
	n := at.node()
	if v.Type() == reflect.TypeFor[Section]() {
		v.Set(reflect.ValueOf(at))
		return
	}
	if n.kind == nullNode {
		at.fail("has no value; leave the key out for the default")
		return
	}
	if v.Kind() == reflect.Pointer {
		d.pointer(at, v)
		return
	}
	if d.custom(at, n, v.Addr().Interface()) {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(at, n, v)
	case reflect.Slice:
		d.slice(at, n, v)
	case reflect.Map:
		d.mapping(at, n, v)
	default:
		d.basic(at, n, v)
	}
}

func (d decoder) pointer(at Section, v reflect.Value) {
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
		setDefaults(v.Elem())
	}
	d.value(at, v.Elem())
}

// custom lets a type read its own text. It reports whether the node has been dealt with.
func (d decoder) custom(at Section, n *node, target any) bool {
	if list, ok := target.(ListUnmarshaler); ok && n.kind == sequenceNode {
		d.list(at, n, list)
		return true
	}
	if u, ok := target.(ScalarUnmarshaler); ok && n.kind == scalarNode {
		d.fail(at, u.UnmarshalScalar(n.text))
		return true
	}
	u, ok := target.(encoding.TextUnmarshaler)
	if !ok {
		return false
	}
	if d.wants(at, n, scalarNode) {
		err := u.UnmarshalText([]byte(n.text))
		if p, ok := target.(*Path); ok && err == nil {
			*p = p.in(at.Dir())
		}
		d.fail(at, err)
	}
	return true
}

func (d decoder) list(at Section, n *node, target ListUnmarshaler) {
	texts := make([]string, 0, len(n.items))
	for i, item := range n.items {
		if d.wants(at.item(i), item, scalarNode) {
			texts = append(texts, item.text)
		}
	}
	if len(texts) == len(n.items) {
		d.fail(at, target.UnmarshalList(texts))
	}
}

// wants complains if a node is not of a kind.
func (d decoder) wants(at Section, n *node, k kind) bool {
	switch {
	case n.kind == k:
		return true
	case k == sequenceNode && n.kind == scalarNode:
		at.fail("wants a list; for a single value write [%s]", quote(n.text))
	default:
		at.fail("wants %s, not %s", k, n.kind)
	}
	return false
}

func (d decoder) fail(at Section, err error) {
	if err != nil {
		at.fail("%v", err)
	}
}

func (s Section) item(i int) Section { return s.step("[" + strconv.Itoa(i) + "]") }

func (d decoder) slice(at Section, n *node, v reflect.Value) {
	if !d.wants(at, n, sequenceNode) {
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i := range n.items {
		setDefaults(out.Index(i))
		d.value(at.item(i), out.Index(i))
	}
	v.Set(out)
}

// mapping decodes keys that are names of the operator's choosing. Those that are there already stay, so that an overlay
// adds to a map as it does to a struct.
func (d decoder) mapping(at Section, n *node, v reflect.Value) {
	if !d.wants(at, n, mappingNode) {
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMapWithSize(v.Type(), len(n.keys)))
	}
	for _, e := range n.keys {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		keyAt := Section{doc: at.doc, path: join(at.path, e.name), pos: e.pos}
		keyAt.layers = []layer{{keyAt.path, &node{kind: scalarNode, pos: e.pos, text: e.name}}}
		d.value(keyAt, key)
		if there := v.MapIndex(key); there.IsValid() {
			value.Set(there)
		} else {
			setDefaults(value)
		}
		d.value(at.step(e.name), value)
		v.SetMapIndex(key, value)
	}
}

// basic decodes Go's own types.
func (d decoder) basic(at Section, n *node, v reflect.Value) {
	if !d.wants(at, n, scalarNode) {
		return
	}
	switch {
	case v.Kind() == reflect.String:
		v.SetString(n.text)
	case n.quoted:
		at.fail("wants %s, not text; take off the quotes", kindName(v))
	case v.Kind() == reflect.Bool:
		d.boolean(at, n.text, v)
	case v.CanInt():
		i, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
		d.number(at, n.text, v, err)
		v.SetInt(i)
	case v.CanUint():
		u, err := strconv.ParseUint(n.text, 10, v.Type().Bits())
		d.number(at, n.text, v, err)
		v.SetUint(u)
	case v.CanFloat():
		f, err := strconv.ParseFloat(n.text, v.Type().Bits())
		d.number(at, n.text, v, err)
		v.SetFloat(f)
	default:
		panic("config: cannot decode into " + v.Type().String())
	}
}

func (d decoder) boolean(at Section, text string, v reflect.Value) {
	switch text {
	case "true", "yes":
		v.SetBool(true)
	case "false", "no":
		v.SetBool(false)
	default:
		at.fail("wants true or false, not %q", text)
	}
}

func (d decoder) number(at Section, text string, v reflect.Value, err error) {
	switch {
	case err == nil:
	case errors.Is(err, strconv.ErrRange):
		at.fail("%s is out of range", text)
	default:
		at.fail("wants %s, not %q", kindName(v), text)
	}
}

func kindName(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.CanFloat():
		return "a number"
	case v.CanUint():
		return "a whole number, not negative"
	}
	return "a whole number"
}
