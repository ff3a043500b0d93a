// SPDX-License-Identifier: MIT

package house

import (
	"slices"
	"strings"
	"testing"
)

// TestImports holds the tiers: every import declaration against the table.
func TestImports(t *testing.T) {
	t.Parallel()
	for _, s := range readSources(t) {
		r, known := packages[s.dir]
		if !known {
			t.Errorf("%s: package %q is not in the table of tiers", s.name, s.dir)
			continue
		}
		for _, p := range s.imports() {
			if problem := judge(s, r, p); problem != "" {
				t.Errorf("%s imports %s: %s", s.name, p, problem)
			}
		}
	}
}

// judge says what is wrong with one import, or nothing.
func judge(s source, r row, imported string) string {
	if own, ok := strings.CutPrefix(imported, module+"/"); ok {
		return judgeOwn(s, r, own)
	}
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return "" // the standard library
	}
	return judgeThird(s, imported)
}

// judgeOwn judges an import from the module itself.
func judgeOwn(s source, r row, imported string) string {
	target, known := packages[imported]
	switch {
	case !known:
		return "it is not in the table of tiers"
	case s.isTest() && testMay(s.dir, r, imported, target):
		return ""
	case slices.Contains(r.imports, imported):
		return ""
	case slices.Contains(r.imports, belowAssembly) && target.tier < assembly:
		return ""
	case target.tier == tests:
		return "it is for tests only"
	}
	return "the row of " + s.dir + " does not name it"
}

// testMay is what a test may import besides the row: its own package, whatever stands lower, and what tests share.
func testMay(dir string, r row, imported string, target row) bool {
	return family(dir) == family(imported) || imported == "internal/maillab" || target.tier < r.tier
}

// family is the folder that a package and its subfolders share.
func family(dir string) string {
	first, rest, _ := strings.Cut(dir, "/")
	if first == "internal" || first == "cmd" {
		return first + "/" + rest
	}
	return first
}

// judgeThird judges an import from another module.
func judgeThird(s source, imported string) string {
	for _, m := range testModules {
		if within(m, imported) {
			if s.isTest() {
				return ""
			}
			return "it is for tests only"
		}
	}
	for m, users := range modules {
		if !within(m, imported) {
			continue
		}
		if slices.Contains(users, s.dir) || s.isTest() && packages[s.dir].tier != ground {
			return ""
		}
		return "only " + strings.Join(users, ", ") + " may"
	}
	return "the module is not in the table of modules"
}

// within reports whether a package path belongs to a module.
func within(module, imported string) bool {
	return imported == module || strings.HasPrefix(imported, module+"/")
}

// TestTable checks the table itself: tiers 2 to 4 point downward or into their own family, and tier 1 has no circle.
func TestTable(t *testing.T) {
	t.Parallel()
	for name, r := range packages {
		for _, i := range r.imports {
			if i == belowAssembly {
				continue
			}
			target, known := packages[i]
			if !known {
				t.Errorf("%s: %s has no row", name, i)
			}
			if r.tier == ground && target.tier == ground || family(name) == family(i) {
				continue
			}
			if target.tier >= r.tier && r.tier < assembly {
				t.Errorf("%s (tier %d) may not import %s (tier %d)", name, r.tier, i, target.tier)
			}
		}
		if circle(name, nil) {
			t.Errorf("%s imports itself in a circle", name)
		}
	}
}

// circle reports whether following the table's imports from name comes back to it.
func circle(name string, way []string) bool {
	if slices.Contains(way, name) {
		return true
	}
	way = append(slices.Clone(way), name)
	return slices.ContainsFunc(packages[name].imports, func(i string) bool {
		return i != belowAssembly && circle(i, way)
	})
}

// TestJudge shows that the guard bites.
func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		file, imported string
		want           bool // allowed
	}{
		{"smtpin/mail.go", "posthouse/policy", true},
		{"smtpin/mail.go", "posthouse/smtpout", false},
		{"policy/list.go", "posthouse/delivery", false},
		{"mail/path.go", "posthouse/reply", true},
		{"reply/reply.go", "posthouse/mail", false},
		{"queue/pebbledb/store.go", "posthouse/queue", true},
		{"queue/claim.go", "posthouse/queue/pebbledb", false},
		{"queue/claim_test.go", "posthouse/queue/queuetest", true},
		{"relay/mx.go", "posthouse/internal/maillab", false},
		{"relay/mx_test.go", "posthouse/internal/maillab", true},
		{"relay/mx_test.go", "posthouse/smtpd", true},
		{"relay/mx_test.go", "posthouse/delivery", false},
		{"internal/node/wire.go", "posthouse/smtpin", true},
		{"smtpd/server.go", "github.com/emersion/go-smtp", true},
		{"relay/mx.go", "github.com/emersion/go-smtp", false},
		{"relay/mx.go", "github.com/foxcpp/go-mockdns", false},
		{"relay/mx_test.go", "github.com/foxcpp/go-mockdns", true},
		{"relay/mx.go", "example.org/nobody/asked", false},
		{"relay/mx.go", "net/netip", true},
		{"relay/mx.go", "posthouse/nowhere", false},
	} {
		s := source{name: c.file, dir: c.file[:strings.LastIndex(c.file, "/")]}
		if got := judge(s, packages[s.dir], c.imported); (got == "") != c.want {
			t.Errorf("%s imports %s: %q, allowed should be %v", c.file, c.imported, got, c.want)
		}
	}
}
