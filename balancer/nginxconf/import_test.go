// SPDX-License-Identifier: MIT

package nginxconf_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthouse/balancer"
	"posthouse/balancer/nginxconf"
	"posthouse/config"
)

// cluster is the part of a cluster file that an import makes.
type cluster struct {
	Balancer balancer.Config `yaml:"balancer"`
}

// parse wants the balancer to take what was made.
func parse(t *testing.T, yaml []byte) balancer.Config {
	t.Helper()
	var c cluster
	_, report := config.Parse("cluster.yaml", yaml, &c)
	if err := report.Err(); err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	return c.Balancer
}

// Each folder below testdata has a configuration as they are found in the field, the section that it becomes (want.yaml), and
// what is said of it (want.notes).
func TestImports(t *testing.T) {
	t.Parallel()
	wants, err := filepath.Glob("testdata/*/want.yaml")
	if err != nil || len(wants) < 12 {
		t.Fatal(wants, err)
	}
	for _, want := range wants {
		t.Run(filepath.Base(filepath.Dir(want)), func(t *testing.T) {
			t.Parallel()
			main, _ := filepath.Glob(filepath.Join(filepath.Dir(want), "*.conf"))
			r, err := nginxconf.Import(main[0], nginxconf.Options{})
			if err != nil {
				t.Fatal(err)
			}
			parse(t, r.YAML)
			var notes strings.Builder
			for _, n := range r.Notes {
				fmt.Fprintln(&notes, strings.ReplaceAll(n.String(), filepath.Dir(want)+"/", ""))
			}
			for file, got := range map[string]string{want: string(r.YAML), strings.TrimSuffix(want, "yaml") + "notes": notes.String()} {
				wanted, err := os.ReadFile(file)
				if diff := cmp.Diff(string(wanted), got); diff != "" || err != nil {
					t.Errorf("%s: %v\n%s", file, err, diff)
				}
			}
		})
	}
}

// one imports a text.
func one(t *testing.T, text string) (*nginxconf.Result, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := nginxconf.Import(file, nginxconf.Options{})
	if err != nil {
		err = errors.New(strings.ReplaceAll(err.Error(), file, "c"))
	}
	return r, err
}

// What NGINX would refuse is refused, in its words.
func TestRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":            "c: no stream server that the balancer can take over",
		"a: yaml\nb:": `c:2: unexpected end of file, expecting ";" or "}"`,
		"events {} http { server { listen 80; } }":                                                     "c: no stream server that the balancer can take over",
		"server { listen 80; location / { proxy_pass http://a; } }":                                    "c: no stream server that the balancer can take over",
		"server { listen 1 udp; proxy_pass a:1; }":                                                     "c: no stream server that the balancer can take over",
		"upstream a { server b:1; }":                                                                   "c: no stream server that the balancer can take over",
		"stream {}\nstream {}":                                                                         `c:2: "stream" directive is duplicate: another begins in line 1`,
		"stream;":                                                                                      `c:1: directive "stream" has no opening "{"`,
		"upstream a { server b:1; }\nupstream a { server b:1; }":                                       `c:2: duplicate upstream "a"`,
		"upstream a { }":                                                                               "c:1: no servers are inside upstream",
		"upstream a {\nserver b; }":                                                                    `c:2: no port in upstream "b"`,
		"upstream a { server b:0; }":                                                                   `c:1: invalid port in upstream "b:0"`,
		"upstream a { server b:1 weight=0; }":                                                          `c:1: invalid parameter "weight=0"`,
		"upstream a { server b:1 fail_timeout=1ms; }":                                                  `c:1: invalid parameter "fail_timeout=1ms"`,
		"upstream a { server b:1 bakcup; }":                                                            `c:1: invalid parameter "bakcup"`,
		"upstream a { hash $remote_addr; server b:1 backup; }":                                         `c:1: balancing method does not support parameter "backup"`,
		"upstream a { server [::1:1; }":                                                                `c:1: invalid host in upstream "[::1:1"`,
		"server { proxy_pass a:1; }":                                                                   `c:1: no "listen" is defined for server`,
		"server { listen 70000; proxy_pass a:1; }":                                                     `c:1: invalid port in "70000" of the "listen" directive`,
		"server { listen 9-8; proxy_pass a:1; }":                                                       `c:1: invalid port range in "9-8" of the "listen" directive`,
		"server { listen 1 nonsense; proxy_pass a:1; }":                                                `c:1: invalid parameter "nonsense"`,
		"server { listen 1 so_keepalive=x; proxy_pass a:1; }":                                          `c:1: invalid parameter "so_keepalive=x"`,
		"server { listen 1; proxy_pass a:1; proxy_pass b:1; }":                                         `c:1: "proxy_pass" directive is duplicate`,
		"server { listen 1; proxy_pass a:1; proxy_timeout 1y; }":                                       `c:1: "proxy_timeout" directive invalid value`,
		"server { listen 1; proxy_pass a:1;\nproxy_timeout 1m; proxy_timeout 2m; }":                    `c:2: "proxy_timeout" directive is duplicate`,
		"server { listen 1; proxy_pass a:1; proxy_next_upstream maybe; }":                              `c:1: invalid value "maybe" in "proxy_next_upstream" directive, it must be "on" or "off"`,
		"server { listen 1; proxy_pass a:1; allow example.org; }":                                      `c:1: invalid parameter "example.org"`,
		"limit_conn_zone $remote_addr zone=a:1m; server { listen 1; proxy_pass a:1; limit_conn a 0; }": `c:1: invalid number of connections "0"`,
	} {
		if _, err := one(t, text); err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// Names of services are letters, digits, "-" and "_", one service each, and never a word of YAML.
func TestNames(t *testing.T) {
	t.Parallel()
	r, err := one(t, `
		upstream a.b { server h:1; } upstream a_b { server h:2; } upstream a_b_2 { server h:3; } upstream true { server h:4; } upstream 1.2.3.4 { server h:5; }
		upstream "ü ; \" x" { server h:6; }
		server { listen 1; proxy_pass a.b; } server { listen 2; proxy_pass a_b; } server { listen 3; proxy_pass a_b_2; } server { listen 4; proxy_pass true; }
		server { listen 5; proxy_pass 1.2.3.4; } server { listen 6; proxy_pass "ü ; \" x"; } server { listen 25; proxy_pass h:25; }
		server { listen 26; server_name *.example.org; proxy_pass h:26; } server { listen 27; server_name ~x; proxy_pass h:27; }
		server { listen unix:/run/it.sock; proxy_pass h:28; } server { listen unix:/; proxy_pass h:29; }`)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for name, s := range parse(t, r.YAML) {
		got[name] = s.Upstream[0].Address.String()
	}
	want := map[string]string{
		"a_b": "h:1", "a_b_2": "h:2", "a_b_2_2": "h:3", "true": "h:4", "service_1_2_3_4": "h:5", "x": "h:6", "smtp": "h:25", "example_org": "h:26",
		"tcp_27": "h:27", "it_sock": "h:28", "socket": "h:29",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
