// SPDX-License-Identifier: MIT

package balancer

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/config"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	temp := path + ".new"
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}

func TestAccessList(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "vpn")
	write(t, path, "# the office\n198.19.0.0/16   # and its VPN\n\n2001:678:d78:500::/56\r\n203.0.113.7\n")
	l, err := openAccess([]Access{{Network: config.Network{Prefix: netip.MustParsePrefix("10.0.0.0/8")}}, {File: "vpn"}}, dir)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(want bool, addrs ...string) {
		t.Helper()
		for _, a := range addrs {
			if got := l.has(netip.MustParseAddr(a)); got != want {
				t.Errorf("%s: %v, want %v", a, got, want)
			}
		}
	}
	ask(true, "10.1.2.3", "198.19.255.255", "2001:678:d78:500::1", "203.0.113.7")
	ask(false, "11.0.0.1", "198.20.0.0", "2001:678:d78:600::1", "203.0.113.8", "::", "0.0.0.0")
	if l.has(netip.Addr{}) {
		t.Error("nobody is in a list")
	}
	write(t, path, "192.0.2.0/24\n300.0.0.1\nnonsense\n")
	if err := l.reload(); err == nil || !strings.Contains(err.Error(), "vpn:2:") || !strings.Contains(err.Error(), "vpn:3:") {
		t.Errorf("%v", err)
	}
	ask(true, "198.19.255.255")
	ask(false, "192.0.2.1")
	write(t, path, "192.0.2.0/24\n")
	if err := l.reload(); err != nil {
		t.Fatal(err)
	}
	ask(true, "192.0.2.1", "10.1.2.3")
	ask(false, "198.19.255.255")
}

// TestCheckOfFiles: a list that cannot be read is told where it stands.
func TestCheckOfFiles(t *testing.T) {
	t.Parallel()
	var into struct {
		Balancer Config `yaml:"balancer"`
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "good"), "::/0\n")
	doc, report := config.Parse(filepath.Join(dir, "x.yaml"), []byte("balancer: {s: {"+small+", deny: [good, missing], allow: [good]}}\n"), &into)
	if report.Err() != nil {
		t.Fatal(report.Err())
	}
	into.Balancer.Check(doc.Root().At("balancer"), dir)
	if got := said(report); !strings.Contains(got, "balancer.s.deny[1]: ") || strings.Count(got, "no such file") != 1 {
		t.Error(got)
	}
}

// FuzzNetworks: a file is read or refused; what is read has what it names, whatever stands in it.
func FuzzNetworks(f *testing.F) {
	f.Add("192.0.2.0/24\n")
	f.Add("# x\n2001:db8::/32 # y\n::ffff:192.0.2.1\n0.0.0.0/0\n")
	f.Add("192.0.2.1/24\r\n\x00")
	f.Fuzz(func(t *testing.T, text string) {
		prefixes, err := parseNetworks("f", strings.NewReader(text))
		if err != nil {
			return
		}
		n := newNetworks(prefixes)
		for _, p := range prefixes {
			if !n.has(p.Addr()) {
				t.Fatalf("%s is not in its own list", p)
			}
		}
	})
}
