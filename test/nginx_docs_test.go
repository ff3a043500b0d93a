// SPDX-License-Identifier: MIT

package test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The stream block of the guide from NGINX becomes the section beside it, and with a head that is a cluster file.
func TestGuideFromNGINX(t *testing.T) {
	t.Parallel()
	dir := room(t)
	page := readFile(t, "../docs", "nginx.md")
	_, rest, _ := strings.Cut(page, "This stream block\n\n")
	block, rest, found := strings.Cut(rest, "becomes this section")
	_, section, _ := strings.Cut(rest, "```yaml\n")
	section, _, ended := strings.Cut(section, "```")
	if !found || !ended {
		t.Fatal("the page does not have its block and its section")
	}
	writeFile(t, dir, "nginx.conf", strings.ReplaceAll(strings.TrimSpace(block), "\n    ", "\n"), 0o644)
	r := posthouse(t, dir, "import", "nginx", "nginx.conf")
	if r.code != 0 {
		t.Fatalf("code %d\n%s%s", r.code, r.out, r.err)
	}
	_, got, _ := strings.Cut(r.out, "\nbalancer:")
	if diff := cmp.Diff(section, "balancer:"+got); diff != "" {
		t.Errorf("the page (-) and the command (+) differ:\n%s", diff)
	}
	writeFile(t, dir, "posthouse.yaml", frontHead+r.out, 0o644)
	if r := posthouse(t, dir, "config", "check", "--config", "posthouse.yaml"); r.code != 0 || r.out != "posthouse.yaml: good\n" {
		t.Errorf("code %d\n%s%s", r.code, r.out, r.err)
	}
}

// The section of every configuration that the importer is tested with makes a good cluster file.
func TestImportedSectionsAreGood(t *testing.T) {
	t.Parallel()
	sections, err := filepath.Glob("../balancer/nginxconf/testdata/*/want.yaml")
	if err != nil || len(sections) == 0 {
		t.Fatal(sections, err)
	}
	dir := room(t)
	for _, name := range sections {
		writeFile(t, dir, "posthouse.yaml", frontHead+readFile(t, filepath.Dir(name), "want.yaml"), 0o644)
		if r := posthouse(t, dir, "config", "check", "--config", "posthouse.yaml"); r.code != 0 || !strings.HasSuffix(r.out, "posthouse.yaml: good\n") {
			t.Errorf("%s: code %d\n%s%s", name, r.code, r.out, r.err)
		}
	}
}

// frontHead is what stands before a balancer section.
const frontHead = `cluster: example.org
nodes: [{host: front.example.org, services: [balancer]}]
data_dir: data
resolver: {servers: ["127.0.0.1:53"]}
`
