// SPDX-License-Identifier: MIT

package starter

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/auth"
	"posthouse/resolver"
)

func made(t *testing.T, o Options) string {
	t.Helper()
	o.Dir = filepath.Join(t.TempDir(), "posthouse-data")
	config, err := Make(o)
	if err != nil {
		t.Fatal(err)
	}
	if found, ok := Find(o.Dir); !ok || found != config {
		t.Errorf("Find says %q %v", found, ok)
	}
	return o.Dir
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestMake looks at one folder from several sides; making its RSA key is what takes time.
func TestMake(t *testing.T) {
	t.Parallel()
	dir := made(t, Options{PortBase: 2000})
	t.Run("names only files it made", func(t *testing.T) { testNames(t, dir) })
	t.Run("keeps secrets", func(t *testing.T) { testSecrets(t, dir) })
	t.Run("zone", func(t *testing.T) { testZone(t, dir) })
}

func testNames(t *testing.T, dir string) {
	text := read(t, dir, ConfigName)
	for _, name := range []string{"tls/fullchain.pem", "tls/privkey.pem", "tls/ca.pem", "zone", "virtual-domains", "virtual",
		"virtual-maildrop", "srs.secret", "transport", "sasl-users", "signers", "keytable"} {
		if !strings.Contains(text, ": "+name) {
			t.Errorf("the cluster file does not name %s", name)
		}
		if read(t, dir, name) == "" {
			t.Errorf("%s is empty", name)
		}
	}
	if _, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls/fullchain.pem"), filepath.Join(dir, "tls/privkey.pem")); err != nil {
		t.Error(err)
	}
}

func testSecrets(t *testing.T, dir string) {
	for _, name := range []string{"credentials", "srs.secret", "sasl-users", "tls/privkey.pem", "keys/" + Domain + ".private"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	user, password, ok := strings.Cut(strings.TrimSpace(read(t, dir, "credentials")), ":")
	if user != User+"@"+Domain || len(password) < 20 || !ok {
		t.Errorf("credentials are for %q, password of %d characters", user, len(password))
	}
	line, ok := strings.CutPrefix(strings.TrimSpace(read(t, dir, "sasl-users")), User+":")
	if good, err := auth.Verify(line, password); !ok || !good || err != nil {
		t.Errorf("the user's line does not take the password: %v", err)
	}
}

func testZone(t *testing.T, dir string) {
	zone, err := resolver.LoadZone(filepath.Join(dir, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	mx, err := zone.MX(t.Context(), Domain)
	if err != nil || len(mx) != 1 {
		t.Fatalf("MX %v, %v", mx, err)
	}
	if a, err := zone.Addrs(t.Context(), mx[0].Host); err != nil || len(a) != 1 || !a[0].IsLoopback() {
		t.Errorf("A %v, %v", a, err)
	}
	for name, prefix := range map[string]string{Domain: "v=spf1 ", "_dmarc." + Domain: "v=DMARC1;", "test._domainkey." + Domain: "v=DKIM1;"} {
		txt, err := zone.TXT(t.Context(), name)
		if err != nil || len(txt) != 1 || !strings.HasPrefix(txt[0], prefix) {
			t.Errorf("TXT of %s: %q, %v", name, txt, err)
		}
	}
}

func TestMakePorts(t *testing.T) {
	t.Parallel()
	text := read(t, made(t, Options{PortBase: 12000}), ConfigName)
	for _, address := range []string{"127.0.0.1:12026", "127.0.0.1:12025", "127.0.0.1:12465", "127.0.0.1:12587", "127.0.0.1:12080"} {
		if !strings.Contains(text, `"`+address+`"`) {
			t.Errorf("nothing listens on %s", address)
		}
	}
}

func TestMakeRefuses(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	full := filepath.Join(parent, "full")
	if err := os.MkdirAll(filepath.Join(full, "something"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(Options{Dir: full}); !errors.Is(err, ErrForeign) {
		t.Errorf("a folder with something else in it: %v", err)
	}
	for _, base := range []int{-1, 65000} {
		if _, err := Make(Options{Dir: filepath.Join(parent, "new"), PortBase: base}); err == nil {
			t.Errorf("port base %d was taken", base)
		}
	}
	left, err := os.ReadDir(parent)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestMakeWithAFileInTheWay(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(Options{Dir: dir}); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file in the way: %v", err)
	}
}
