// SPDX-License-Identifier: MIT

package node

import (
	"crypto/rand"
	"errors"
	"flag"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"posthouse/certs"
	"posthouse/config"
	"posthouse/dkim"
)

var update = flag.Bool("update", false, "write the golden files from what is found")

// room is a copy of a folder of testdata, with the files that its cluster files name and that no repository should hold.
func room(t *testing.T, from string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	ca, err := certs.MakeCA("example")
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]string{{"tls/cert.pem", "tls/key.pem"}, {"tls/fullchain.pem", "tls/privkey.pem"}, {"tls/second.pem", "tls/other.pem"}} {
		cert, key, err := ca.Issue("mail.example.test")
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, pair[0], string(cert))
		write(t, dir, pair[1], string(key))
	}
	key, err := dkim.GenerateKey("rsa", 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mail.private", "DKIM2022-ipng.nl-private", "DKIM2022-ipng.ch-private", "DKIM2022-ublog.tech-private"} {
		write(t, dir, "keys/"+name, string(key))
	}
	write(t, dir, "srs.secret", rand.Text()+"\n")
	for _, name := range []string{"passwd", "passwd-broken", "sasl-users"} { // git keeps no modes
		if err := os.Chmod(filepath.Join(dir, name), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return dir
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// complaints are a report's, without the folder.
func complaints(r *config.Report, dir string) string {
	var out strings.Builder
	for _, p := range r.Problems {
		out.WriteString(strings.ReplaceAll(p.String(), dir+"/", "") + "\n")
	}
	return out.String()
}

// TestWrong holds each testdata/wrong/*.yaml against the complaints beside it, word for word.
func TestWrong(t *testing.T) {
	t.Parallel()
	dir := room(t, "testdata/wrong")
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := complaints(Check(filepath.Join(dir, name), ""), dir)
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Errorf("no golden complaint: %v", err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s: -want +got\n%s\nas text:\n%s", golden, diff, got)
			}
		})
	}
}

// TestExposedSecrets: check names each secret that everybody may read.
func TestExposedSecrets(t *testing.T) {
	t.Parallel()
	dir := room(t, "../../test/testdata/ipng")
	for _, name := range []string{"sasl-users", "srs.secret", "keys/DKIM2022-ipng.nl-private"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o604); err != nil {
			t.Fatal(err)
		}
		if got := complaints(Check(filepath.Join(dir, "posthouse.yaml"), ""), dir); !strings.Contains(got, name+": everyone on this machine") {
			t.Errorf("no warning of %s: %s", name, got)
		}
	}
}

// Maildrop's size limit follows smtp-in's unless it is written.
func TestSizeOfMaildrop(t *testing.T) {
	t.Parallel()
	dir := smallCluster(t)
	file := filepath.Join(dir, "posthouse.yaml")
	for change, want := range map[string]config.Size{
		"mx.example.test": 51 << 20,
		"mx.example.test\n  message_size_limit: 10MiB": 11 << 20,
	} {
		write(t, dir, "posthouse.yaml", strings.Replace(small, "mx.example.test", change, 1))
		c, _, err := Load(file, "")
		if err != nil || c.Maildrop.MessageSizeLimit != want {
			t.Errorf("%s: %v, want %s", c.Maildrop.MessageSizeLimit, err, want)
		}
	}
}

// TestBalancerNeedsNoCertificate: a machine that only balances passes TLS on, and need not have the key.
func TestBalancerNeedsNoCertificate(t *testing.T) {
	t.Parallel()
	dir := room(t, "../../test/testdata/ipng")
	if err := os.RemoveAll(filepath.Join(dir, "tls")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "posthouse.yaml")
	if _, _, err := Load(file, "nginx0.chrma0.net.ipng.ch"); err != nil {
		t.Error(err)
	}
	if _, _, err := Load(file, "smtp-in.chrma0.net.ipng.ch"); err == nil || !strings.Contains(err.Error(), "tls/fullchain.pem") {
		t.Errorf("smtp-in without its certificate: %v", err)
	}
}

// The example cluster is accepted as it stands, by each of its nodes and as a whole.
func TestExampleCluster(t *testing.T) {
	t.Parallel()
	dir := room(t, "../../test/testdata/ipng")
	file := filepath.Join(dir, "posthouse.yaml")
	report := Check(file, "")
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		if !p.Unenforced {
			t.Errorf("an odd warning: %s", p)
		}
	}
	cfg, _ := read(file)
	if len(cfg.Nodes) != 11 {
		t.Errorf("%d nodes", len(cfg.Nodes))
	}
	for _, n := range cfg.Nodes {
		c, _, err := Load(file, string(n.Host))
		if err != nil || c.Self.Host != n.Host {
			t.Errorf("%s: %v", n.Host, err)
			continue
		}
		if err := c.enforceable(Options{Services: n.Services, Log: slog.New(slog.DiscardHandler)}); err != nil {
			t.Errorf("%s would not start as it stands: %v", n.Host, err)
		}
	}
}
