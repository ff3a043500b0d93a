// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
)

// Document is one file as it was read: its tree with positions, and what there is to complain about.
type Document struct {
	file   string
	lines  []string
	root   *node
	report *Report
	failed map[string]bool // paths whose value could not be decoded: what Validate finds there is no news
}

// Load reads file, decodes it into the struct that into points to, and checks it. Neither result is ever nil.
func Load(file string, into any) (*Document, *Report) {
	data, err := readFile(file)
	if err != nil {
		d := newDocument(file)
		d.complain("", position{}, "%v", err)
		return d, d.report
	}
	return Parse(file, data, into)
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", unwrapPath(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", unwrapPath(err))
	}
	return data, nil
}

// unwrapPath takes the file's name off an error: the complaint begins with it.
func unwrapPath(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

// Parse is Load with the file's contents at hand; relative paths in it are relative to file's folder.
func Parse(file string, data []byte, into any) (*Document, *Report) {
	d := newDocument(file)
	d.parse(data)
	if len(d.report.Problems) == 0 || len(d.root.keys) > 0 {
		d.Decode(into)
	}
	return d, d.report
}

func newDocument(file string) *Document {
	return &Document{
		file:   file,
		root:   &node{kind: mappingNode, pos: position{1, 1}},
		report: &Report{},
		failed: make(map[string]bool),
	}
}

// Decode fills the struct that into points to from the document and validates it, adding to the Report. Overlays are
// mappings elsewhere in the document whose keys replace the root's: a node's own values over the cluster's.
func (d *Document) Decode(into any, overlays ...Section) {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: decoding into %T: want a pointer to a struct", into))
	}
	v = v.Elem()
	setDefaults(v)
	decoder{d}.value(d.Root(), v)
	for _, o := range overlays {
		if o.isMapping() {
			decoder{d}.value(o, v)
		}
	}
	validate(d.Root().Under(overlays...), v)
}

// Root is the document as a whole.
func (d *Document) Root() Section {
	return Section{doc: d, pos: d.root.pos, layers: []layer{{"", d.root}}}
}

// Report is what was found so far; complaints by way of a Section are added to it.
func (d *Document) Report() *Report { return d.report }

func (d *Document) complain(path string, at position, format string, args ...any) {
	d.add(Problem{Path: path, Message: fmt.Sprintf(format, args...)}, at)
}

func (d *Document) add(p Problem, at position) {
	p.File, p.Line, p.Column = d.file, at.line, at.column
	if at.line >= 1 && at.line <= len(d.lines) {
		p.Source = strings.TrimRight(d.lines[at.line-1], "\r")
	}
	d.report.add(p)
}

// dir is the folder that relative paths in the file are relative to.
func (d *Document) dir() string { return filepath.Dir(d.file) }
