// SPDX-License-Identifier: MIT

package table

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Table is an open table. Its zero value is not usable; Open makes one.
type Table struct {
	name  string
	files []*file

	reload sync.Mutex
	state  atomic.Pointer[state]
}

// file is one file of a table, and the text it had when it was last taken.
type file struct {
	kind, name, path string
	sum              [sha256.Size]byte
	view             View
	warnings         []Complaint
}

type state struct {
	view     View
	warnings []Complaint
}

// Open reads the table that r names; a relative file is in dir. An error is an *Error, or that of the file system.
func Open(r Ref, dir string) (*Table, error) {
	if r.IsZero() {
		return nil, errors.New("no table is named")
	}
	t := &Table{name: r.String()}
	parts := r.parts
	if parts == nil {
		parts = []Ref{r}
	}
	for _, p := range parts {
		f := &file{kind: p.kind}
		if kinds[p.kind] == inlineKind || kinds[p.kind] == staticKind {
			f.view = p.builtin()
		} else {
			f.name, f.path = p.rest, within(dir, p.rest)
		}
		t.files = append(t.files, f)
	}
	if _, err := t.Reload(); err != nil {
		return nil, err
	}
	return t, nil
}

func within(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// builtin is a table that stands in the configuration itself.
func (r Ref) builtin() View {
	if kinds[r.kind] == staticKind {
		return static{r.rest, "static"}
	}
	h := newHash()
	for _, p := range r.pairs {
		h.add(p.key, Entry{p.value, "inline"})
	}
	return h
}

// Name is the table as the configuration names it.
func (t *Table) Name() string { return t.name }

// View is the table in force. One transaction takes one.
func (t *Table) View() View { return t.state.Load().view }

// Warnings are what is odd about the table in force, such as duplicate keys.
func (t *Table) Warnings() []Complaint { return t.state.Load().warnings }

// Paths are the files to watch; none for an inline or static table.
func (t *Table) Paths() []string {
	var out []string
	for _, f := range t.files {
		if f.path != "" {
			out = append(out, f.path)
		}
	}
	return out
}

// Reload reads the table's files again. If anything is wrong with any of them, the table stays as it is.
func (t *Table) Reload() (changed bool, err error) {
	t.reload.Lock()
	defer t.reload.Unlock()
	next := make([]*file, len(t.files))
	var errs []error
	for i, f := range t.files {
		next[i], err = f.read()
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return false, err
	}
	if t.state.Load() != nil && slices.Equal(next, t.files) {
		return false, nil
	}
	t.files = next
	t.state.Store(combine(next))
	return true, nil
}

func combine(files []*file) *state {
	s := &state{}
	var views chain
	for _, f := range files {
		views = append(views, f.view)
		s.warnings = append(s.warnings, f.warnings...)
	}
	s.view = views
	if len(views) == 1 {
		s.view = views[0]
	}
	return s
}

// read returns f itself if the file still says what it said.
func (f *file) read() (*file, error) {
	if f.path == "" {
		return f, nil
	}
	text, err := readText(f.path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	if f.view != nil && sum == f.sum {
		return f, nil
	}
	s := &source{name: f.name, file: f.path}
	view, err := s.parse(f.kind, string(text))
	if err != nil {
		return nil, err
	}
	return &file{f.kind, f.name, f.path, sum, view, s.warnings}, nil
}

// readText reads a file that is bounded and will not keep us waiting, as a pipe might.
func readText(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, missing(path, err)
	}
	if !info.Mode().IsRegular() && path != os.DevNull {
		return nil, fmt.Errorf("%s: is not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, missing(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		return nil, fmt.Errorf("%s: is larger than 64 MiB", path)
	}
	return data, err
}

// missing puts the file's name first, as in every complaint.
func missing(path string, err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		err = e.Err
	}
	hint := ""
	if strings.Contains(path, ", ") {
		hint = "; several tables are a YAML list"
	}
	return fmt.Errorf("%s: %w%s", path, err, hint)
}
