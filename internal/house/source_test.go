// SPDX-License-Identifier: MIT

package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// module is the name that go.mod gives this module.
const module = "posthouse"

// source is one parsed Go file of the module.
type source struct {
	name string // from the module's root: mail/path.go
	dir  string // mail
	text string
	fset *token.FileSet
	ast  *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// at is the place of a node, as file:line.
func (s source) at(n ast.Node) string {
	return s.name + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

// imports are the import paths of the file.
func (s source) imports() []string {
	var out []string
	for _, i := range s.ast.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		out = append(out, p)
	}
	return out
}

// readSources parses every Go file of the module, whatever its build tags.
func readSources(t *testing.T) []source {
	t.Helper()
	root := filepath.Join("..", "..")
	var out []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(root, name)
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		s, err := parse(root, name)
		out = append(out, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 10 {
		t.Fatalf("found only %d Go files below %s", len(out), root)
	}
	return out
}

// skipDir leaves out what the go command leaves out, and what a run of posthouse makes.
func skipDir(root, name string) error {
	base := filepath.Base(name)
	if name == root {
		return nil
	}
	if base == "testdata" || base == "posthouse-data" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	return nil
}

func parse(root, name string) (source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return source{}, err
	}
	rel, err := filepath.Rel(root, name)
	if err != nil {
		return source{}, err
	}
	rel = filepath.ToSlash(rel)
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, rel, text, parser.ParseComments)
	return source{name: rel, dir: path.Dir(rel), text: string(text), fset: fset, ast: file}, err
}
