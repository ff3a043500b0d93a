// SPDX-License-Identifier: MIT

package config

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What Show writes is read back as the same values, defaults included.
func TestShowIsReadBack(t *testing.T) {
	t.Parallel()
	var c, again cluster
	_, report := Load("testdata/cluster.yaml", &c)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Show(&out, c); err != nil {
		t.Fatal(err)
	}
	_, report = Parse("shown.yaml", out.Bytes(), &again)
	if err := report.Err(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	ignore := cmp.Options{
		cmpopts.IgnoreTypes(Section{}, setOf{}),
		cmp.Comparer(func(a, b Network) bool { return a == b }),
	}
	if diff := cmp.Diff(c, again, ignore); diff != "" {
		t.Errorf("-read +shown\n%s\n%s", diff, &out)
	}
}

func TestShow(t *testing.T) {
	t.Parallel()
	type inner struct {
		A string   `yaml:"a"`
		B []string `yaml:"b"`
	}
	got := &bytes.Buffer{}
	err := Show(got, &struct {
		Text    string           `yaml:"text"`
		Empty   string           `yaml:"empty"`
		Number  string           `yaml:"number"`
		Limit   Size             `yaml:"limit"`
		Odd     Size             `yaml:"odd"`
		Wait    Duration         `yaml:"wait"`
		On      bool             `yaml:"enabled"`
		Net     Network          `yaml:"net"`
		Nets    []Network        `yaml:"nets"`
		Absent  *inner           `yaml:"absent"`
		Default *inner           `yaml:"default"`
		None    []inner          `yaml:"none"`
		Zero    []inner          `yaml:"zero"`
		Some    []inner          `yaml:"some"`
		Maps    map[string]inner `yaml:"maps"`
		Long    []string         `yaml:"long"`
		Hidden  string
		Inline  inner `yaml:",inline"`
	}{
		Text: "a: \"b\" #\x01é", Number: "1e3", Limit: 50 << 20, Odd: 1500, Wait: 90e9, On: true, Zero: []inner{},
		Nets: []Network{{}, {}}, Default: &inner{}, Some: []inner{{A: "yes", B: []string{"%n", "-"}}, {A: "x"}},
		Maps: map[string]inner{"z.test": {A: "1"}, "b c": {}}, Long: []string{strings.Repeat("a", 60), strings.Repeat("b", 60)},
	})
	want := `text: "a: \"b\" #\x01é"
empty: ""
number: "1e3"
limit: 50MiB
odd: 1500
wait: 1m30s
enabled: true
nets: ["", ""]
default:
  a: ""
zero: []
some:
  - a: "yes"
    b: ["%n", "-"]
  - a: x
maps:
  "b c":
    a: ""
  z.test:
    a: "1"
long:
  - ` + strings.Repeat("a", 60) + `
  - ` + strings.Repeat("b", 60) + `
a: ""
`
	if diff := cmp.Diff(want, got.String()); diff != "" || err != nil {
		t.Errorf("%v -want +got\n%s", err, diff)
	}
}
