// SPDX-License-Identifier: MIT

package auth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
)

func open(t testing.TB, file, format string) *PasswdFile {
	t.Helper()
	p, err := Open(Config{PasswdFile: config.Path(file), UsernameFormat: format})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func write(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestDovecot checks a hash of every scheme, as Dovecot made them, and the accounts of the example cluster.
func TestDovecot(t *testing.T) {
	t.Parallel()
	for file, least := range map[string]int{"testdata/users": 24, "testdata/sasl-users": 4} {
		p := open(t, file, "%n")
		users := p.users.Load().names
		if w := p.users.Load().warnings; len(users) < least || len(w) > 0 {
			t.Fatalf("%s: %d users, warnings %q", file, len(users), w)
		}
		for _, user := range users {
			t.Run(user, func(t *testing.T) {
				t.Parallel()
				login, err := p.Authenticate(t.Context(), strings.ToUpper(user)+"@ipng.ch", "wachtwoord-"+user)
				if login != user || err != nil {
					t.Errorf("right password: %q, %v", login, err)
				}
				if strings.Contains(user, "argon") || user == "pim" {
					return // slow by design; TestArgon has a fast one
				}
				login, err = p.Authenticate(t.Context(), user, "Wachtwoord-"+user)
				if login != "" || err != ErrCredentials {
					t.Errorf("wrong password: %q, %v", login, err)
				}
			})
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	p := open(t, write(t, "a:{PLAIN}secret\nlocked:{PLAIN}secret::::::nologin\nnets:{PLAIN}secret::::::allow_nets=10.0.0.0/8\nnone:\n"), "%u")
	for _, c := range [][2]string{
		{"b", "secret"}, {"a", ""}, {"", "secret"}, {"a", "secret\x00"}, {"a\n", "secret"}, {"a", "\xff"}, {"a@b", "secret"},
		{"locked", "secret"}, {"nets", "secret"}, {"none", "secret"},
		{strings.Repeat("a", 300), "secret"}, {"a", strings.Repeat("s", 2000)},
	} {
		if _, err := p.Authenticate(t.Context(), c[0], c[1]); err != ErrCredentials {
			t.Errorf("%q %q: %v", c[0], c[1], err)
		}
	}
	if n := len(p.Warnings()); n != 3 {
		t.Errorf("%d warnings: %q", n, p.Warnings())
	}
	if _, err := p.Authenticate(t.Context(), "A", "secret"); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

// TestExposed: hashes that everybody may read can be guessed at leisure. Users log in all the same.
func TestExposed(t *testing.T) {
	t.Parallel()
	file := write(t, "a:{PLAIN}secret\n")
	p := open(t, file, "%u")
	if len(p.Warnings()) != 0 {
		t.Errorf("mode 0600: %q", p.Warnings())
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	if w := p.Warnings(); len(w) != 1 || !strings.Contains(w[0], "mode 0644") || p.Len() != 1 {
		t.Errorf("mode 0644: %d users, %q", p.Len(), w)
	}
}

// TestComplaints wants file:line and the reason, and no part of what stands behind the colon.
func TestComplaints(t *testing.T) {
	t.Parallel()
	const secret = "GEHEIM"
	for line, want := range map[string]string{
		"user" + secret:        "no colon",
		"a b:{PLAIN}" + secret: "not a user name",
		"pim:{PLAIN}" + secret + "\nPIM:{PLAIN}" + secret:                         "stands on line 1 already",
		"pim:{SHA256}" + secret:                                                   "malformed password hash",
		"pim:{" + secret:                                                          "no {SCHEME}",
		"pim:{SSHA}nCAolj3J9/u0yzAUBCiiEMYduyw=":                                  "malformed",
		"pim:{BLF-CRYPT}" + secret:                                                "malformed",
		"pim:{BLF-CRYPT}$2y$31$" + strings.Repeat("a", 53):                        "cost 31",
		"pim:{SHA512-CRYPT}$5$salt$" + strings.Repeat("a", 43):                    "malformed",
		"pim:{SHA512-CRYPT}$6$rounds=99999999$s$" + secret:                        "rounds",
		"pim:{ARGON2ID}$argon2id$v=19$m=9999999,t=3,p=1$" + secret + "$" + secret: "at most",
		"pim:{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$" + secret + "$" + secret:   "malformed",
		"pim:{PLAIN}": "malformed",
	} {
		_, err := parseAccounts("users", line+"\n")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "users:") {
			t.Errorf("%s: %v; want %q", line, err, want)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the complaint holds the secret: %v", err)
		}
	}
}

func TestUnknownScheme(t *testing.T) {
	t.Parallel()
	p := open(t, write(t, "# Dovecot knows more\n\na:{SCRAM-SHA-256}4096,x\nb:{CRYPT}$y$j9T$x\nc:abJnggxhB/yWI\nd:{SHA256.ROT13}x\n:skipped\n"), "%u")
	if len(p.Warnings()) != 4 || p.Len() != 0 {
		t.Errorf("%d users, %q", p.Len(), p.Warnings())
	}
	if _, err := p.Authenticate(t.Context(), "a", "x"); err != ErrCredentials {
		t.Error(err)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for layout, want := range map[string]string{
		"%u": "Pim@Ipng.CH", "%n": "Pim", "%d": "Ipng.CH", "%Ln": "pim", "%Lu": "pim@ipng.ch", "%Ud": "IPNG.CH",
		"%n+%Ld": "Pim+ipng.ch", "100%%": "100%",
	} {
		if got, err := format(layout, "Pim@Ipng.CH"); got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", layout, got, err, want)
		}
	}
	for _, bad := range []string{"", "%", "%x", "%L", "%Lx", "%{user}"} {
		if got, err := format(bad, "a@b"); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	file := write(t, "a:{PLAIN}one\n")
	p := open(t, file, "%u")
	set := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set("a:{PLAIN}two\nbroken\n")
	if _, err := p.Reload(); err == nil || !strings.Contains(err.Error(), "users:2: no colon") {
		t.Errorf("broken file: %v", err)
	}
	if _, err := p.Authenticate(t.Context(), "a", "one"); err != nil {
		t.Errorf("the good file is gone: %v", err)
	}
	set("a:{PLAIN}two\n")
	if changed, err := p.Reload(); !changed || err != nil {
		t.Errorf("%v, %v", changed, err)
	}
	if changed, err := p.Reload(); changed || err != nil {
		t.Errorf("same file: %v, %v", changed, err)
	}
	if _, err := p.Authenticate(t.Context(), "a", "two"); err != nil {
		t.Error(err)
	}
}

// TestBusy holds all turns and shows that the next one waits for MaxWait, or as long as its context lives.
func TestBusy(t *testing.T) {
	t.Parallel()
	file := write(t, "a:{PLAIN}one\n")
	synctest.Test(t, func(t *testing.T) {
		p := open(t, file, "%u")
		for range cap(p.turns) {
			p.turns <- struct{}{}
		}
		start := time.Now()
		if _, err := p.Authenticate(t.Context(), "a", "one"); !errors.Is(err, ErrBusy) || time.Since(start) != maxWait {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.Authenticate(ctx, "a", "one"); !errors.Is(err, ErrBusy) || !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		time.AfterFunc(time.Second, func() { <-p.turns })
		if _, err := p.Authenticate(t.Context(), "a", "one"); err != nil {
			t.Errorf("after a turn came free: %v", err)
		}
	})
}

// TestUnknownCosts shows that a name that is not in the file runs the check of one that is, the same one each time.
func TestUnknownCosts(t *testing.T) {
	t.Parallel()
	p := open(t, write(t, "a:{PLAIN}one\nb:{PLAIN}two\n"), "%u")
	var ran []string
	for name := range p.users.Load().checks {
		p.users.Load().checks[name] = func(string) bool { ran = append(ran, name); return true }
	}
	for range 5 {
		if _, err := p.Authenticate(t.Context(), "nobody", "x"); err != ErrCredentials {
			t.Fatal(err)
		}
	}
	if len(ran) != 5 || len(slices.Compact(ran)) != 1 {
		t.Errorf("ran %v", ran)
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	for _, scheme := range Schemes() {
		made, err := Hash(strings.ToLower(scheme), "hunter2 é")
		if err != nil || !strings.HasPrefix(made, "{"+scheme+"}$") {
			t.Fatalf("%s: %q, %v", scheme, made, err)
		}
		if ok, err := Verify("pim:"+made+"::::::", "hunter2 é"); !ok || err != nil {
			t.Errorf("%s: %v, %v", scheme, ok, err)
		}
	}
	for scheme, password := range map[string]string{"SHA": "x", "ARGON2ID": "", "BLF-CRYPT": strings.Repeat("x", 73)} {
		if made, err := Hash(scheme, password); err == nil || password != "" && strings.Contains(err.Error(), password+"x") {
			t.Errorf("%s: %q, %v", scheme, made, err)
		}
	}
}

// TestArgon checks both kinds with little memory, and that a hash of one kind is none of the other.
func TestArgon(t *testing.T) {
	t.Parallel()
	a := argon{id: true, memory: 64, time: 1, lanes: 1, salt: []byte("saltsalt"), want: make([]byte, 32)}
	a.want = a.sum("right")
	i := a
	i.id = false
	i.want = i.sum("right")
	for scheme, hash := range map[string]string{"ARGON2ID": a.String(), "ARGON2I": strings.Replace(i.String(), "2id", "2i", 1)} {
		for password, want := range map[string]bool{"right": true, "wrong": false} {
			if ok, err := Verify("{"+scheme+"}"+hash, password); ok != want || err != nil {
				t.Errorf("%s %s: %v, %v", scheme, password, ok, err)
			}
		}
	}
	if _, err := Verify("{ARGON2I}"+a.String(), "right"); err == nil {
		t.Error("an argon2id hash under {ARGON2I}")
	}
}

func TestOwns(t *testing.T) {
	t.Parallel()
	rows := map[string]string{"pim@ipng.ch": "pim, paul", "pim+list@ipng.ch": "list", "@ipng.ch": "admin",
		"p q@ipng.ch": `"p, ann zoe\" bob", zoe`}
	lookup := func(key string) (string, bool) { v, ok := rows[key]; return v, ok }
	for _, c := range []struct {
		login, local, domain string
		want                 bool
	}{
		{"pim", "pim", "ipng.ch", true}, {"PAUL", "pim", "ipng.ch", true}, {"admin", "pim", "ipng.ch", false},
		{"pim", "pim+x", "ipng.ch", true}, {"pim", "pim+list", "ipng.ch", false}, {"list", "pim+list", "ipng.ch", true},
		{"admin", "other", "ipng.ch", true}, {"pim", "other", "ipng.ch", false}, {"pim", "pim", "ipng.nl", false},
		{"ann", "p q", "ipng.ch", false}, {"bob", "p q", "ipng.ch", false}, {"zoe", "p q", "ipng.ch", true}, {"", "p q", "ipng.ch", false},
	} {
		if got := Owns(lookup, c.login, c.local, c.domain, "+"); got != c.want {
			t.Errorf("%s as %s@%s: %v", c.login, c.local, c.domain, got)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"passwd_file: x\n":                             "",
		"passwd_file: x\nusername_format: '%Ln'\n":     "",
		"username_format: '%n'\n":                      "needs a passwd_file",
		"passwd_file: x\nusername_format: '%{user}'\n": `not "%{user}"`,
	} {
		var c Config
		_, report := config.Parse("auth.yaml", []byte(text), &c)
		err := report.Err()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func FuzzParseAccounts(f *testing.F) {
	for _, file := range []string{"testdata/users", "testdata/sasl-users"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("a:$6$rounds=1000$s$x\n:\n#\nb")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAccounts("users", text)
		if err == nil && len(a.names) != len(a.checks) {
			t.Errorf("%d names, %d checks", len(a.names), len(a.checks))
		}
	})
}

func FuzzParseStored(f *testing.F) {
	for _, s := range []string{"{SSHA.HEX}a2aa", "{PLAIN}x", "$2y$05$x", "{ARGON2I}$argon2i$v=19$m=32,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, stored string) {
		check, err := parseStored(stored)
		if err == nil && strings.HasPrefix(stored, "{PLAIN}") && !check(stored[len("{PLAIN}"):]) {
			t.Errorf("%q does not fit itself", stored)
		}
	})
}

func FuzzFormat(f *testing.F) {
	f.Add("%Ln+%Ud%%", "pim@ipng.ch")
	f.Fuzz(func(t *testing.T, layout, login string) {
		if got, err := format(layout, login); err == nil && got == "" {
			t.Errorf("%q, %q: an empty name", layout, login)
		}
	})
}
