// SPDX-License-Identifier: MIT

package dovecot

import (
	"errors"
	"flag"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

func options() Options {
	return Options{Dir: "/srv/data/dovecot", MailRoot: "/srv/data/mail", PasswdFile: "/srv/data/sasl-users",
		Certificate: "/srv/data/tls/fullchain.pem", Key: "/srv/data/tls/privkey.pem", Hostname: "drop.posthouse.test",
		LMTP: "/srv/data/dovecot/lmtp", Address: "127.0.0.1", Port: 2993}
}

func placed(v Version, root bool) place {
	u := &user.User{Uid: "1000", Gid: "1000", Username: "someone"}
	return place{Options: options(), Owner: u, Group: "someone", Root: root, Base: "/tmp/base", Version: v}
}

// Each golden file was accepted by `doveconf -n` of its version.
func TestRender(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]place{
		"2.3-root.conf": placed(Version{2, 3, 19}, true),
		"2.3-user.conf": placed(Version{2, 3, 19}, false),
		"2.4-root.conf": placed(Version{2, 4, 1}, true),
		"2.4-user.conf": placed(Version{2, 4, 1}, false),
	} {
		got, err := render(p)
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s differs from what is rendered (go test ./dovecot -update writes it anew):\n%s", name, got)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*place){
		"a folder with a space":   func(p *place) { p.MailRoot = "/srv/my mail" },
		"a folder with a newline": func(p *place) { p.Dir = "/srv\nssl = no" },
		"a variable":              func(p *place) { p.MailRoot = "/srv/%d" },
		"no name":                 func(p *place) { p.Hostname = "" },
		"a socket too far down":   func(p *place) { p.LMTP = "/" + strings.Repeat("x", maxSocket) },
		"an old version":          func(p *place) { p.Version = Version{2, 2, 36} },
	} {
		p := placed(Version{2, 3, 19}, true)
		change(&p)
		if _, err := render(p); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]Version{
		"2.3.19.1 (9b53102964)\n": {2, 3, 19},
		"2.4.1-4 (7d8c0e5759)":    {2, 4, 1},
		"2.4":                     {2, 4, 0},
	} {
		if got, err := parseVersion(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "dovecot", "2", "99999.1.1"} {
		if _, err := parseVersion(s); !errors.Is(err, ErrVersion) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("2.3.19.1 (9b53102964)")
	f.Add("2.4.1-4")
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := parseVersion(s); err == nil && (v.Major < 0 || v.Major > 9999) {
			t.Errorf("%q: %v", s, v)
		}
	})
}
