// SPDX-License-Identifier: MIT

package config

import (
	"reflect"
	"strings"
)

// field is one key that a struct has, through its inlined structs too.
type field struct {
	name  string
	index []int
}

// fields lists the keys of a struct type in the order of its declaration.
func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case options == "inline":
			for _, inner := range fields(f.Type) {
				out = append(out, field{inner.name, append([]int{i}, inner.index...)})
			}
		case name != "":
			out = append(out, field{name, []int{i}})
		}
	}
	return out
}

// structure decodes a mapping into a struct; keys that it has no field for are complained about.
func (d decoder) structure(at Section, n *node, v reflect.Value) {
	if !d.wants(at, n, mappingNode) {
		return
	}
	known := fields(v.Type())
	byName := make(map[string][]int, len(known))
	for _, f := range known {
		byName[f.name] = f.index
	}
	for _, e := range n.keys {
		if index, ok := byName[e.name]; ok {
			d.value(at.step(e.name), v.FieldByIndex(index))
		} else {
			d.unknown(at, e, known)
		}
	}
}

// unknown complains of a key. The key that was probably meant is taken as failed: that it is missing needs no saying.
func (d decoder) unknown(at Section, e entry, known []field) {
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.name
	}
	path := join(at.path, e.name)
	if best := nearest(e.name, names); best != "" {
		d.doc.complain(path, e.pos, "unknown key; did you mean %s?", best)
		d.doc.failed[join(at.path, best)] = !at.Has(best)
	} else if len(names) <= 12 {
		d.doc.complain(path, e.pos, "unknown key; known here: %s", strings.Join(names, ", "))
	} else {
		d.doc.complain(path, e.pos, "unknown key")
	}
}

// setDefaults calls SetDefaults on v and, before that, on the structs it holds, so that a parent has the last word.
func setDefaults(v reflect.Value) {
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Field(i).Kind() == reflect.Struct {
				setDefaults(v.Field(i))
			}
		}
	}
	if d, ok := v.Addr().Interface().(Defaulter); ok && v.Kind() != reflect.Pointer {
		d.SetDefaults()
	}
}

// validate calls Validate on v, after everything it holds. What is behind a nil pointer is absent and not asked.
func validate(at Section, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			validate(at, v.Elem())
		}
		return
	case reflect.Struct:
		validateFields(at, v)
	case reflect.Slice:
		for i := range v.Len() {
			validate(at.item(i), v.Index(i))
		}
	case reflect.Map:
		validateMap(at, v)
	}
	if !v.CanAddr() || at.doc.failed[at.path] {
		return
	}
	if c, ok := v.Addr().Interface().(Validator); ok {
		c.Validate(at)
	}
}

func validateFields(at Section, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case options == "inline":
			validate(at, v.Field(i))
		case name != "":
			validate(at.step(name), v.Field(i))
		}
	}
}

// validateMap asks copies of the values, since a map's are not addressable, and puts them back.
func validateMap(at Section, v reflect.Value) {
	for _, key := range v.MapKeys() {
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(v.MapIndex(key))
		validate(at.step(text(key)), value)
		v.SetMapIndex(key, value)
	}
}
