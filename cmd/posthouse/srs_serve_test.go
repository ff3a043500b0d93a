// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What `srs serve` is told wrongly it says before it opens anything.
func TestSRSServeRefuses(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := "srs serve --domain srs.test --secret-file " + secret
	for line, want := range map[string]string{
		good + " --separator x":                `separator: "x" is none of =, + and -`,
		good + " --hash-length 3":              "hash_length: the lengths must obey",
		good + " --max-age 1h":                 "max_age: must be between 1d and",
		good + " --max-age fortnight":          "--max-age: ",
		good + " --forward 10001":              "--forward: \"10001\" is not an address",
		good + " --socketmap unix:srs":         "--socketmap: \"unix:srs\": a socket needs its whole path",
		good + " --exclude-domain a..b":        "exclude_domains: excluded domain \"a..b\"",
		good + " --domain a..b":                "--domain: ",
		good + " --forward= --reverse=":        "no table has an address",
		good + ".missing":                      "srs secret file: open " + secret + ".missing",
		good + " --config " + secret + ".yaml": secret + ".yaml",
		good + " more":                         "takes no arguments",
		"srs serve --config /nonexistent/f":    "/nonexistent/f",
	} {
		got := call(t, "", strings.Fields(line)...)
		if got.code == 0 || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v; want %q", line, got, want)
		}
	}
}
