// SPDX-License-Identifier: MIT

package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWholeFile(t *testing.T) {
	t.Parallel()
	var c cluster
	d, report := Load("testdata/cluster.yaml", &c)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	same(t, "cluster", c.Cluster, "example.test")
	same(t, "services", c.Nodes[1].Services, []string{"smtp_out", "balancer"})
	same(t, "path", c.TLS.Certificate, "testdata/tls/fullchain.pem")
	same(t, "path", c.TLS.Key, "privkey.pem")
	same(t, "network", c.Mynetwork[2].String(), "192.0.2.7/32")
	same(t, "default in a value", c.Resolver.Timeout, 5e9)
	same(t, "default in a section", c.SMTPIn.Door.HopcountLimit, 100)
	same(t, "default in a list", c.Maildrop.LMTP[1].MaxFails, 1)
	same(t, "scalar listener", c.SMTPIn.Door.Listen[2], listener{Address: Address{Network: "tcp", Port: 2525}})
	same(t, "text", c.SMTPIn.Recipient[2], "warn_if_reject reject_rbl_client zen.example.test=127.255.255.[1..255]")
	same(t, "quoted", c.SMTPIn.Door.Delimiter, "+")
	same(t, "list of words", c.SMTPIn.AliasMaps, words{"virtual", "regexp:more"})
	same(t, "one word", c.SMTPIn.AliasDomains, words{"virtual-domains"})
	same(t, "list for text", c.Maildrop.Domains.from, "list")
	same(t, "map", c.Balancer["imap"].Upstream[1].Address, Address{Network: "tcp", Host: "2001:db8::1", Port: 993})
	same(t, "duration", c.Maildrop.LMTP[1].FailTimeout, 90e9)

	for path, want := range map[string]string{
		"cluster":                   "testdata/cluster.yaml:2:10",
		"nodes[1].services[1]":      "testdata/cluster.yaml:7:27",
		"nodes[2]":                  "testdata/cluster.yaml:8:5",
		"nodes[2].services[0]":      "testdata/cluster.yaml:10:9",
		"smtp_in.listen":            "testdata/cluster.yaml:28:3",
		"smtp_in.listen[2]":         "testdata/cluster.yaml:31:7",
		"smtp_in.listen[1].tls":     "testdata/cluster.yaml:30:30",
		"smtp_in.listen[1].absent":  "testdata/cluster.yaml:30:7",
		"smtp_in.absent.deeper[4]":  "testdata/cluster.yaml:26:1",
		"balancer.imap.upstream[1]": "testdata/cluster.yaml:80:9",
	} {
		same(t, path, d.Root().At(path).Place(), want)
	}
	same(t, "has", d.Root().At("smtp_in").Has("listen"), true)
	same(t, "has not", d.Root().At("smtp_in").Has("helo_restrictions"), false)
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

var update = flag.Bool("update", false, "write the golden files from what is found")

// TestWrong holds each testdata/wrong/*.yaml against the complaint beside it, word for word.
func TestWrong(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			_, report := Load(file, &cluster{})
			var got strings.Builder
			for _, p := range report.Problems {
				p.File = filepath.Base(file)
				got.WriteString(p.String() + "\n")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Errorf("no golden complaint: %v", err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s: -want +got\n%s\nas text:\n%s", golden, diff, &got)
			}
		})
	}
}
