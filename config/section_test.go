// SPDX-License-Identifier: MIT

package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSteps(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]string{
		"":                       nil,
		"a":                      {"a"},
		"a.b[3].c":               {"a", "b", "[3]", "c"},
		`maps["a.b"].c`:          {"maps", "a.b", "c"},
		`["x \"y\""][0][1]`:      {`x "y"`, "[0]", "[1]"},
		"balancer.imap.upstream": {"balancer", "imap", "upstream"},
	} {
		if diff := cmp.Diff(want, steps(path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

// The paths that complaints show can be given to At again.
func TestPathsLeadBack(t *testing.T) {
	t.Parallel()
	var c struct {
		Maps map[string][]string `yaml:"maps"`
	}
	d, report := Parse("f", []byte("maps:\n  a.b: [x, y]\n  \"c d\": [z]\n"), &c)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		`maps["a.b"][1]`: "f:2:12",
		`maps["c d"][0]`: "f:3:11",
		`maps["c d"][9]`: "f:3:3",
	} {
		at := d.Root().At(path)
		if at.Place() != want || at.Path() != path {
			t.Errorf("%s: %s %s, want %s", path, at.Path(), at.Place(), want)
		}
	}
}

func TestComplaintsThroughASection(t *testing.T) {
	t.Parallel()
	var c cluster
	_, report := Parse("dir/f.yaml", []byte("smtp_in:\n  hostname: a.test\n\tx\n"), &c)
	if report.Err() == nil || c.SMTPIn != nil {
		t.Error("a file that is no YAML must not be decoded")
	}
	d, report := Parse("dir/f.yaml", []byte("smtp_in:\n  hostname: a.test\n  milters: []\n"), &c)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	s := d.Root().At("smtp_in")
	s.At("milters").Unenforced(true, "milters are not asked yet")
	s.At("milters").Warnf("an empty list")
	s.At("hostname").Unenforced(false, "the name is not said yet")
	if err := report.Err(); err != nil {
		t.Errorf("warnings stop nothing: %v", err)
	}
	s.At("listen").Errorf("is needed")
	s.At("listen").Errorf("is needed")
	var got []string
	for _, p := range d.Report().Problems {
		p.Source = ""
		got = append(got, p.String())
	}
	want := []string{
		"dir/f.yaml:1:1: smtp_in.listen: is needed",
		"dir/f.yaml:2:13: warning: smtp_in.hostname: the name is not said yet",
		"dir/f.yaml:3:3: warning: smtp_in.milters: milters are not asked yet",
		"dir/f.yaml:3:3: warning: smtp_in.milters: an empty list",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(report.Warnings()) != 3 || !slices.ContainsFunc(report.Problems, func(p Problem) bool { return p.Weakens && p.Unenforced }) {
		t.Errorf("%+v", report.Problems)
	}
	if report.Err() == nil || strings.Contains(report.Err().Error(), "warning") {
		t.Errorf("the error is %v", report.Err())
	}
	if s.Dir() != "dir" {
		t.Errorf("dir %s", s.Dir())
	}
	Section{}.At("anything[1]").Errorf("is taken silently")
}

// A node's override is laid over the cluster's values: mappings key by key, everything else as a whole.
func TestOverlay(t *testing.T) {
	t.Parallel()
	var c cluster
	text := `nodes:
  - host: a.test
  - host: b.test
    override:
      maildrop:
        hostname: bad name
        listen: [{address: ":25", proxy_protocol: required}]
        hopcount_limit: 0
      balancer: {pop: {proxy_protocol: v1}, imap: {proxy_protocol: v2}}
balancer: {imap: {listen: [":993"]}}
maildrop:
  hostname: drop.test
  listen: [":24", ":26"]
  message_size_limit: 1MiB
  lmtp: [{address: "unix:/a"}]
`
	d, report := Parse("f", []byte(text), &c)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	if c.Nodes[0].Override.Present() || !c.Nodes[1].Override.Present() {
		t.Error("the second node has an override, the first has none")
	}
	var mine cluster
	d.Decode(&mine, c.Nodes[1].Override)
	m := mine.Maildrop
	if len(m.Door.Listen) != 1 || m.Door.MessageSizeLimit != 1<<20 || len(m.LMTP) != 1 || c.Maildrop.Door.HopcountLimit != 100 {
		t.Errorf("%+v", m)
	}
	if b := mine.Balancer; len(b) != 2 || b["imap"].ProxyProtocol != "v2" || len(b["imap"].Listen) != 1 {
		t.Errorf("%+v", b)
	}
	var got []string
	for _, p := range report.Problems {
		p.Source = ""
		got = append(got, p.String())
	}
	want := []string{
		`f:6:19: nodes[1].override.maildrop.hostname: "bad name" is not a domain name`,
		"f:7:51: nodes[1].override.maildrop.listen[0].proxy_protocol: needs proxy_networks: who may say for whom it speaks",
		"f:8:25: nodes[1].override.maildrop.hopcount_limit: must be at least 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	absent := filepath.Join(dir, "absent.yaml")
	for file, want := range map[string]string{
		absent: absent + ": cannot be read: no such file or directory",
		dir:    dir + ": cannot be read: is a directory",
	} {
		d, report := Load(file, &cluster{})
		if err := report.Err(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		if d.Root().Has("cluster") {
			t.Error("an unread document has keys")
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"is larger than 1MiB":                                 "# " + strings.Repeat("x", maxFile),
		"more than 20000 keys":                                strings.Repeat("a: {b: c}\n", maxKeys/2+1),
		"nested more than 32 levels deep":                     strings.Repeat("- ", 200) + "x",
		"more complaints not shown":                           strings.Repeat("q: x\n", maxProblems+10),
		"a byte or control character that does not belong in": "a: b\rc: d\n",
	} {
		_, report := Parse("f", []byte(text), &cluster{})
		if err := report.Err(); err == nil || !strings.Contains(err.Error(), name) || len(report.Problems) > maxProblems {
			t.Errorf("want %s, got %.300v", name, err)
		}
	}
}

func TestDefaultsOfAParentWin(t *testing.T) {
	t.Parallel()
	var c strict
	_, report := Parse("f", []byte("name: x\n"), &c)
	if c.Resolver.Timeout != 1e9 || c.Inner == nil || c.Inner.Timeout != 2e9 || report.Err() != nil {
		t.Errorf("%+v %v", c, report.Err())
	}
	_, report = Parse("f", []byte("inner: {servers: []}\n"), &c)
	if c.Inner.Timeout != 2e9 || report.Err() != nil {
		t.Errorf("a default pointer is decoded over: %+v %v", c.Inner, report.Err())
	}
}

type strict struct {
	Name     string    `yaml:"name"`
	Resolver resolver  `yaml:"resolver"`
	Inner    *resolver `yaml:"inner"`
}

func (s *strict) SetDefaults() {
	s.Resolver.Timeout = 1e9
	s.Inner = &resolver{Timeout: 2e9}
}
