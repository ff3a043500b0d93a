// SPDX-License-Identifier: MIT

package house

import (
	"go/ast"
	"regexp"
	"strings"
	"testing"
)

// longest is the most lines a function may have outside tests; the aim is 10, and under 50.
const longest = 60

// TestFiles holds what each file must have and must not have.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, s := range readSources(t) {
		if !strings.HasPrefix(s.text, "// SPDX-License-Identifier: MIT\n") {
			t.Errorf("%s: the first line is not the licence", s.name)
		}
		if unfinished.MatchString(s.text) && s.dir != "internal/house" {
			t.Errorf("%s: unfinished: %q", s.name, unfinished.FindString(s.text))
		}
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				checkFunc(t, s, f)
			}
		}
		checkCalls(t, s)
	}
}

var unfinished = regexp.MustCompile(`panic\("todo"\)|\b(TODO|FIXME|XXX|HACK)\b`)

// checkFunc refuses init functions, which wire what no one can read, and functions that fit no screen.
func checkFunc(t *testing.T, s source, f *ast.FuncDecl) {
	if f.Recv == nil && f.Name.Name == "init" {
		t.Errorf("%s: init()", s.at(f))
	}
	lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
	if !s.isTest() && lines > longest {
		t.Errorf("%s: %s has %d lines", s.at(f), f.Name.Name, lines)
	}
}

// checkCalls refuses sleeping without a reason beside it, and tests that skip.
func checkCalls(t *testing.T, s source) {
	commented := map[int]bool{}
	for _, g := range s.ast.Comments {
		for l := s.fset.Position(g.Pos()).Line; l <= s.fset.Position(g.End()).Line; l++ {
			commented[l] = true
		}
	}
	ast.Inspect(s.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		line := s.fset.Position(call.Pos()).Line
		switch name := callee(call); {
		case name == "time.Sleep" && !s.isTest() && !commented[line] && !commented[line-1]:
			t.Errorf("%s: time.Sleep without a reason beside it", s.at(call))
		case s.isTest() && (name == "t.Skip" || name == "t.Skipf" || name == "t.SkipNow"):
			t.Errorf("%s: a skipped test shows nothing", s.at(call))
		}
		return true
	})
}

// callee is the called function as it is written, if it is a plain selector.
func callee(call *ast.CallExpr) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + sel.Sel.Name
}

// TestPackages holds what each package must have: a doc that teaches, and a name that says what is in it.
func TestPackages(t *testing.T) {
	t.Parallel()
	docs, seen := map[string]string{}, map[string]bool{}
	for _, s := range readSources(t) {
		if s.isTest() {
			continue
		}
		seen[s.dir] = true
		if s.ast.Doc != nil {
			docs[s.dir] = s.ast.Doc.Text()
		}
	}
	for dir := range seen {
		if vague.MatchString(dir) {
			t.Errorf("%s: the name says nothing", dir)
		}
		if len(docs[dir]) < 80 {
			t.Errorf("%s: the package has no doc, or one that teaches nothing: %q", dir, docs[dir])
		}
	}
}

var vague = regexp.MustCompile(`(^|/)(util|utils|common|helper|helpers|manager|misc)($|/)`)
