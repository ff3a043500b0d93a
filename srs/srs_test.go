// SPDX-License-Identifier: MIT

package srs

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/mail"
)

func open(t testing.TB, domain string, now int64, secrets ...string) *Rewriter {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(strings.Join(secrets, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Config{}
	c.SetDefaults()
	c.Domain, c.SecretFile = config.Domain(domain), config.Path(file)
	r, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	r.Now = func() time.Time { return time.Unix(now, 0) }
	return r
}

func path(t testing.TB, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return p
}

// TestPostSRSd is the unit vector of PostSRSd 2 (tests/unit/test_srs2.c).
func TestPostSRSd(t *testing.T) {
	t.Parallel()
	r := open(t, "example.com", 1577836860, "tops3cr3t")
	got, err := r.Forward(path(t, "test@otherdomain.com"))
	if want := "SRS0=vmyz=2W=otherdomain.com=test@example.com"; err != nil || got.String() != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		col := strings.Fields(lines.Text())
		now, _ := strconv.ParseInt(col[0], 10, 64)
		r := open(t, "srs.test", now, col[1])
		checkVector(t, r, path(t, col[2]), col[3])
	}
	if n < 80 {
		t.Errorf("only %d vectors", n)
	}
}

func checkVector(t *testing.T, r *Rewriter, sender mail.Path, want string) {
	t.Helper()
	got, err := r.Forward(sender)
	// The scheme ignores case and mail.Path folds domains, so does the comparison.
	if err != nil || !strings.EqualFold(got.String(), want) {
		t.Errorf("forward %s: %s, %v; want %s", sender, got, err, want)
		return
	}
	back, err := r.Reverse(path(t, want))
	_, second := cutTag(sender.Local(), "SRS0")
	_, third := cutTag(sender.Local(), "SRS1")
	switch {
	case err != nil:
		t.Errorf("reverse %s: %v", want, err)
	case third && back.Domain() != "first.example": // the second forwarder is left out
		t.Errorf("reverse %s: %s", want, back)
	case !third && !strings.EqualFold(back.String(), sender.String()):
		t.Errorf("reverse %s: %s; want %s (%v)", want, back, sender, second)
	}
}

func TestReverse(t *testing.T) {
	t.Parallel()
	const now = 1577836860
	r := open(t, "srs.test", now, "new", "old")
	old := open(t, "srs.test", now, "old")
	good, _ := old.Forward(path(t, "alice@example.com"))
	other, _ := open(t, "srs.test", now, "foreign").Forward(path(t, "alice@example.com"))
	for _, c := range []struct {
		name, address, want string
		days                int
		err                 error
	}{
		{"older secret", good.String(), "alice@example.com", 0, nil},
		{"upper case", strings.ToUpper(good.String()), "ALICE@example.com", 0, nil},
		{"lower case", strings.ToLower(good.String()), "alice@example.com", 0, nil},
		{"last day", good.String(), "alice@example.com", 21, nil},
		{"a day late", good.String(), "", 22, ErrExpired},
		{"from tomorrow", good.String(), "", -1, ErrExpired},
		{"foreign secret", other.String(), "", 0, ErrHash},
		{"short hash", "SRS0=abc=2W=example.com=alice@srs.test", "", 0, ErrHash},
		{"long hash", "SRS0=" + strings.Repeat("a", 28) + "=2W=example.com=alice@srs.test", "", 0, ErrHash},
		{"no user", "SRS0=abcd=2W=example.com@srs.test", "", 0, ErrSyntax},
		{"empty SRS1", "SRS1=abcd=first.test@srs.test", "", 0, ErrSyntax},
		{"SRS1 without inner separator", "SRS1=abcd=first.test=abcd@srs.test", "", 0, ErrSyntax},
		{"other domain", "SRS0=abcd=2W=example.com=alice@other.test", "", 0, ErrSyntax},
		{"ordinary address", "alice@srs.test", "", 0, ErrSyntax},
	} {
		r.Now = func() time.Time { return time.Unix(now, 0).Add(time.Duration(c.days) * day) }
		got, err := r.Reverse(path(t, c.address))
		if !errors.Is(err, c.err) || got.String() != c.want {
			t.Errorf("%s: %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
		}
	}
}

// TestUndo: PostSRSd looks at no domain, so an installation may have changed its own.
func TestUndo(t *testing.T) {
	t.Parallel()
	r := open(t, "srs.test", 1577836860, "s")
	there, _ := r.Forward(path(t, "alice@example.com"))
	if back, err := r.Undo(there.WithDomain("former.test")); err != nil || back.String() != "alice@example.com" {
		t.Errorf("%s, %v", back, err)
	}
	if _, err := r.Undo(path(t, "alice@srs.test")); !errors.Is(err, ErrSyntax) {
		t.Errorf("an ordinary address: %v", err)
	}
}

// TestUTF8: the hash is over octets of which only ASCII letters are folded, as C and Perl do it.
func TestUTF8(t *testing.T) {
	t.Parallel()
	r := open(t, "srs.test", 1577836860, "s")
	there, err := r.Forward(path(t, "ÜNal@grün.test"))
	if err != nil {
		t.Fatal(err)
	}
	if want := sum([]byte("s"), []string{"2w", "xn--grn-ioa.test", "Ünal"})[:4]; !strings.HasPrefix(there.Local(), "SRS0="+want) {
		t.Errorf("%s; want hash %s", there, want)
	}
	if back, err := r.Reverse(there); err != nil || back.Local() != "ÜNal" {
		t.Errorf("%s, %v", back, err)
	}
	// 'ſ' is an S in upper case, of another length.
	if _, ok := parseStamp("ſ"); ok {
		t.Error("a date of one letter")
	}
}

func TestForwardUnchanged(t *testing.T) {
	t.Parallel()
	r := open(t, "srs.test", 0, "s")
	r.config.ExcludeDomains = []string{"Plain.test", ".below.test", "grün.test"}
	r.excluded = r.config.exclusions()
	for _, s := range []string{"a@srs.test", "a@plain.test", "a@x.below.test", "a@xn--grn-ioa.test"} {
		if got, err := r.Forward(path(t, s)); err != nil || got.String() != s {
			t.Errorf("%s became %s, %v", s, got, err)
		}
	}
	if got, err := r.Forward(mail.Path{}); err != nil || !got.IsNull() {
		t.Errorf("<> became %s, %v", got, err)
	}
	for _, s := range []string{"a@below.test", "a@notplain.test"} {
		if got, err := r.Forward(path(t, s)); err != nil || !r.Is(got) {
			t.Errorf("%s became %s, %v", s, got, err)
		}
	}
}

func TestForwardRefused(t *testing.T) {
	t.Parallel()
	r := open(t, "srs.test", 0, "s")
	for s, want := range map[string]error{
		strings.Repeat("a", 240) + "@long.test": ErrTooLong,
		`"a@b"@quoted.test`:                     ErrSyntax,
		"SRS1=abcd@first.test":                  ErrSyntax,
		"SRS1=abcd=host.test=abcd@first.test":   ErrSyntax,
		"SRS1=abcd=0=+x@first.test":             ErrSyntax,
	} {
		if got, err := r.Forward(path(t, s)); !errors.Is(err, want) {
			t.Errorf("%s: %s, %v; want %v", s, got, err, want)
		}
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	r := open(t, "srs.test", 0, "one")
	old, _ := r.Forward(path(t, "a@b.test"))
	write := func(s string) {
		if err := os.WriteFile(r.Paths()[0], []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("\r\n\n")
	if _, err := r.Reload(); err == nil || !strings.Contains(err.Error(), "no secret") {
		t.Errorf("empty file: %v", err)
	}
	if _, err := r.Reverse(old); err != nil {
		t.Errorf("a broken file took the good secrets away: %v", err)
	}
	write("two\r\n")
	if changed, err := r.Reload(); !changed || err != nil {
		t.Errorf("changed %v, %v", changed, err)
	}
	if _, err := r.Reverse(old); !errors.Is(err, ErrHash) {
		t.Errorf("retired secret: %v", err)
	}
}

// TestExposed: whoever knows the secret can make us relay. It is in force all the same.
func TestExposed(t *testing.T) {
	t.Parallel()
	r := open(t, "srs.test", 0, "one")
	if len(r.Warnings()) != 0 {
		t.Errorf("mode 0600: %q", r.Warnings())
	}
	if err := os.Chmod(r.Paths()[0], 0o644); err != nil {
		t.Fatal(err)
	}
	if changed, err := r.Reload(); changed || err != nil {
		t.Errorf("changed %v, %v", changed, err)
	}
	if w := r.Warnings(); len(w) != 1 || !strings.Contains(w[0], "mode 0644") {
		t.Errorf("mode 0644: %q", w)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"domain: a.test\nsecret_file: x\n":                                  "",
		"secret_file: x\n":                                                  "needs the domain",
		"domain: a.test\n":                                                  "needs a file",
		"domain: a.test\nsecret_file: x\nseparator: '#'\n":                  "is none of =, + and -",
		"domain: a.test\nsecret_file: x\nhash_minimum: 3\n":                 "the lengths must obey",
		"domain: a.test\nsecret_file: x\nhash_length: 28\n":                 "the lengths must obey",
		"domain: a.test\nsecret_file: x\nhash_minimum: 6\nhash_length: 5\n": "the lengths must obey",
		"domain: a.test\nsecret_file: x\nmax_age: 1h\n":                     "between 1d and 1023d",
		"domain: a.test\nsecret_file: x\nexclude_domains: ['.']\n":          "is empty",
		"domain: a.test\nsecret_file: x\nexclude_domains: ['a b']\n":        "excluded domain",
	} {
		var c Config
		_, report := config.Parse("srs.yaml", []byte(text), &c)
		err := report.Err()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func FuzzReverse(f *testing.F) {
	r := open(f, "srs.test", 1577836860, "s")
	for _, s := range []string{"SRS0=vmyz=2W=other.test=test", "SRS1=abcd=first.test==abcd=EF=o.test=b", "srs0+a=b=c", "SRS1-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, local string) {
		p, err := mail.MakePath(local, "srs.test")
		if err != nil {
			return
		}
		if back, err := r.Reverse(p); err == nil && !r.Is(p) {
			t.Errorf("%s reversed to %s", p, back)
		}
		there, err := r.Forward(p.WithDomain("sender.test"))
		if err != nil {
			return
		}
		if _, err := r.Reverse(there); err != nil {
			t.Errorf("%s does not come home: %v", there, err)
		}
	})
}

func FuzzSecrets(f *testing.F) {
	f.Add([]byte("one\r\n\ntwo"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseSecrets(text)
		if err != nil {
			return
		}
		if hash := keys.sign(minHash, "a", "b"); !keys.verify(minHash, hash, "A", "B") {
			t.Errorf("%q does not verify what it signed", text)
		}
	})
}
