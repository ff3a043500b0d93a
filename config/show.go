// SPDX-License-Identifier: MIT

package config

import (
	"bytes"
	"encoding"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Show writes the values of a decoded struct, defaults included, as YAML with the keys it was read from. What is absent
// (a nil pointer, a value type that is zero) is left out, so that Parse reads the same values back.
func Show(w io.Writer, v any) error {
	var s shower
	s.block(reflect.ValueOf(v), 0)
	_, err := w.Write(s.out.Bytes())
	return err
}

type shower struct{ out bytes.Buffer }

func (s *shower) line(indent int, format string, args ...any) {
	s.out.WriteString(strings.Repeat("  ", indent))
	fmt.Fprintf(&s.out, format+"\n", args...)
}

// pair is one key of a struct or a map.
type pair struct {
	name  string
	value reflect.Value
}

// block writes the keys of a struct or a map.
func (s *shower) block(v reflect.Value, indent int) {
	for _, p := range pairs(v) {
		s.pair(p.name, p.value, indent)
	}
}

func (s *shower) pair(name string, v reflect.Value, indent int) {
	v = indirect(v)
	if absent(v) {
		return
	}
	if one, ok := inline(v); ok {
		s.line(indent, "%s: %s", quote(name), one)
		return
	}
	s.line(indent, "%s:", quote(name))
	if v.Kind() != reflect.Slice {
		s.block(v, indent+1)
		return
	}
	for i := range v.Len() {
		s.item(indirect(v.Index(i)), indent+1)
	}
}

// item writes an element of a list: on one line, or its keys behind the dash.
func (s *shower) item(v reflect.Value, indent int) {
	if one, ok := inline(v); ok {
		s.line(indent, "- %s", one)
		return
	}
	var inner shower
	inner.block(v, indent+1)
	text := inner.out.Bytes()
	copy(text[2*indent:], "- ")
	s.out.Write(text)
}

// inline is a value that fits behind its key.
func inline(v reflect.Value) (string, bool) {
	switch {
	case isText(v) && v.CanInt() && isNumber(text(v)): // a Size that is no multiple of a unit
		return text(v), true
	case isText(v), v.Kind() == reflect.String:
		return quote(text(v)), true
	case v.Kind() == reflect.Slice && v.Len() == 0:
		return "[]", true
	case v.Kind() == reflect.Slice:
		return flow(v)
	case v.Kind() == reflect.Struct, v.Kind() == reflect.Map:
		shown := slices.ContainsFunc(pairs(v), func(p pair) bool { return !absent(indirect(p.value)) })
		return "{}", !shown
	}
	return text(v), true
}

// flow is a list of short words on one line.
func flow(v reflect.Value) (string, bool) {
	words, length := make([]string, v.Len()), 0
	for i := range words {
		item := indirect(v.Index(i))
		if item.Kind() == reflect.Slice || !item.IsValid() {
			return "", false
		}
		word, ok := inline(item)
		if length += len(word) + 2; !ok || length > 80 {
			return "", false
		}
		words[i] = word
	}
	return "[" + strings.Join(words, ", ") + "]", true
}

func pairs(v reflect.Value) []pair {
	v = indirect(v)
	var out []pair
	switch {
	case !v.IsValid():
	case v.Kind() == reflect.Struct:
		for _, f := range fields(v.Type()) {
			out = append(out, pair{f.name, v.FieldByIndex(f.index)})
		}
	case v.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			out = append(out, pair{text(key), v.MapIndex(key)})
		}
		slices.SortFunc(out, func(a, b pair) int { return strings.Compare(a.name, b.name) })
	}
	return out
}

// indirect is what is behind pointers, or the list of single values that a ListUnmarshaler was read from.
func indirect(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.IsValid() {
		if l, ok := v.Interface().(ListMarshaler); ok && l.MarshalList() != nil {
			return reflect.ValueOf(l.MarshalList())
		}
	}
	return v
}

// absent values are not written: nil pointers, and texts whose zero value is no text that could be read back.
func absent(v reflect.Value) bool {
	return !v.IsValid() || v.Type() == reflect.TypeFor[Section]() || isText(v) && text(v) == "" ||
		(v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.IsNil()
}

func isText(v reflect.Value) bool {
	return v.Type().Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

func text(v reflect.Value) string {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, _ := m.MarshalText()
		return string(b)
	}
	return fmt.Sprint(v.Interface())
}

// quote puts quotes around what YAML might take for something else than the text it is.
func quote(s string) string {
	plain := s != "" && strings.Trim(s, letters+"/+=@%:.") == "" && strings.ContainsAny(s[:1], letters[:62]+"/") &&
		!strings.HasSuffix(s, ":")
	if isNumber(s) || !plain {
		return strconv.Quote(s)
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off":
		return strconv.Quote(s)
	}
	return s
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}
