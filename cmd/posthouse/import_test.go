// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// put writes files below a new folder.
func put(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The section goes to stdout, and what is not carried over to stderr, by file and line; the status says whether there is one.
func TestImportNginx(t *testing.T) {
	t.Parallel()
	dir := put(t, map[string]string{
		"nginx.conf":    "events {}\nstream {\n  include sites/*.conf;\n}\n",
		"sites/a.conf":  "server {\n  listen 25;\n  proxy_pass 192.0.2.1:25;\n  ssl_preread on;\n}\n",
		"web.conf":      "server { listen 80; location / { root /srv; } }",
		"broken.conf":   "server {\n listen 25\n}\n",
		"other/b.conf":  "include sites/*.conf;",
		"no/posthouse":  "cluster: example.org\n",
		"missing.conf":  "include nowhere.conf;",
		"udp/only.conf": "server { listen 53 udp; proxy_pass 192.0.2.1:53; }",
	})
	for _, test := range []struct {
		args     string
		code     int
		out, err string // contained; "" is nothing at all
	}{
		{"D/nginx.conf", 0, "balancer:\n  smtp: # a.conf:1\n    listen: [\"0.0.0.0:25\"]\n    upstream:\n      - \"192.0.2.1:25\"\n",
			"D/sites/a.conf:4: ssl_preread: the name that a client asks for in TLS is not read"},
		{"D/other/b.conf --prefix D", 0, "  smtp: # a.conf:1\n", "D/sites/a.conf:4: ssl_preread: "},
		{"D/web.conf", 1, "", "D/web.conf:1: server: not carried over: it is an http server (location); the balancer is TCP only\n" +
			"posthouse: error: D/web.conf: no stream server that the balancer can take over\nposthouse: hint: give nginx.conf, or a file that its stream block includes\n"},
		{"D/udp/only.conf", 1, "", "D/udp/only.conf:1: listen: udp is not carried over"},
		{"D/broken.conf", 1, "", "posthouse: error: D/broken.conf:3: unexpected \"}\"\nposthouse: hint: give a configuration that `nginx -t` takes; relative includes begin"},
		{"D/no/posthouse", 1, "", "posthouse: error: D/no/posthouse:2: unexpected end of file"},
		{"D/missing.conf", 1, "", "posthouse: error: D/missing.conf:1: include nowhere.conf: D/nowhere.conf: no such file or directory\n"},
		{"D/nothing.conf", 1, "", "posthouse: error: D/nothing.conf: no such file or directory\n"},
		{"D", 1, "", "posthouse: error: D: not a file\n"},
		{"", 2, "", "posthouse: error: posthouse import nginx takes one FILE, not 0\n"},
		{"a b", 2, "", "posthouse: error: posthouse import nginx takes one FILE, not 2\n"},
		{"a --perfix x", 2, "", "posthouse: error: unknown flag: --perfix\n"},
	} {
		args := append([]string{"import", "nginx"}, strings.Fields(strings.ReplaceAll(test.args, "D", dir))...)
		got := call(t, "", args...)
		errs := strings.ReplaceAll(got.err, dir, "D")
		if got.code != test.code || !strings.Contains(errs, test.err) || !strings.Contains(got.out, test.out) || test.out == "" && got.out != "" {
			t.Errorf("%s: %d\n%s%s", test.args, got.code, got.out, errs)
		}
	}
}
