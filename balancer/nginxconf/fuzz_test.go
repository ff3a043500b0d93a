// SPDX-License-Identifier: MIT

package nginxconf_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"posthouse/balancer/nginxconf"
)

// alone is one file that other files are not beside.
type alone []byte

func (a alone) Read(name string, most int64) ([]byte, error) {
	if name != "c" || int64(len(a)) > most {
		return nil, fs.ErrNotExist
	}
	return a, nil
}

func (alone) Glob(string) ([]string, error) { return nil, nil }

// FuzzImport puts anything before the reader: it never panics, and what it makes is a balancer section.
func FuzzImport(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.conf")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		"upstream a{server unix:/\x80 backup;server [::]:1 weight=99999999 fail_timeout=9y;}server{listen *:1-3;listen [::]:1 ipv6only=off;proxy_pass a;}",
		"server { listen 1 proxy_protocol; proxy_pass ${x}; set $x a:1; allow ::ffff:0:0/90; deny 0.0.0.0/1; allow all; so_keepalive 1; }",
		"a_by_lua_block { '\\", "server{listen 1;proxy_pass \"a\\\nb:1\";}", "server { listen unix:/a\u2028b; proxy_pass unix:/\"\\; }",
		"server { listen 1; proxy_pass \xff; }", "stream { server { listen 1; proxy_pass ON:1; server_name null; health_check interval=0 passes=0; } }",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := nginxconf.Import("c", nginxconf.Options{Files: alone(text)})
		if err != nil {
			if r != nil && !errors.Is(err, nginxconf.ErrNothing) {
				t.Error(err)
			}
			return
		}
		if len(parse(t, r.YAML)) == 0 {
			t.Error("no service, and no error")
		}
		for _, n := range r.Notes {
			_ = n.String()
		}
	})
}
