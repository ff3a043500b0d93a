// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// srsOptions are those that all three have.
type srsOptions struct {
	name, separator string
	length, minimum int
	secrets         []string
}

// TestSRSThreeWays: PostSRSd, Perl's Mail::SRS and posthouse make the same addresses of the same senders by the same secret
// file, and each turns back what the others made, also when a relay has changed the case of it.
func TestSRSThreeWays(t *testing.T) {
	t.Parallel()
	for _, o := range []srsOptions{
		{"as it comes", "=", 4, 4, []string{"one secret"}},
		{"plus", "+", 4, 4, []string{" blanks belong to it ", "older"}},
		{"minus, longer", "-", 8, 4, []string{"Ünlaut", "older", "oldest"}},
		{"as long as can be", "=", 27, 12, []string{strings.Repeat("long", 100)}},
	} {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			w := newThreeWays(t, o)
			for { // all of it within one day of the clock that three programs read
				day := time.Now().Unix() / 86400
				problems := w.compare(t, senders(rand.New(rand.NewPCG(1, uint64(o.length))), 150))
				if time.Now().Unix()/86400 != day {
					continue
				}
				for _, p := range problems {
					t.Error(p)
				}
				return
			}
		})
	}
}

// senders are random ones: ordinary, with whatever else may stand in a local part, and such as forwarders before us made.
func senders(r *rand.Rand, n int) []string {
	pick := func(from string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = from[r.IntN(len(from))]
		}
		return string(b)
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	var out []string
	for i := range n {
		domain := strings.ToLower(pick(letters, 1+r.IntN(20))) + pick("-x", 2) + "x." + strings.ToLower(pick(letters[:26], 2+r.IntN(5)))
		if i%3 == 0 {
			domain = "Sub." + strings.ToUpper(domain)
		}
		local := pick(letters, 1) + pick(letters+"!#$&'*+-/=?^_`{|}~%", r.IntN(24)) + pick(letters, 1)
		switch i % 6 {
		case 3:
			local = "é" + local + "Ü"
		case 4:
			local = pick("sS", 1) + "RS0" + pick("=+-", 1) + pick(letters, 4) + "=" + pick("ABCXYZ234567", 2) + "=inner.test=" + local
		case 5:
			local = pick("sS", 1) + "rs1" + pick("=+-", 1) + pick(letters, 4) + "=First.test=" + pick("=+-", 1) + pick(letters, 4) + "=AB=inner.test=" + local
		}
		out = append(out, local+"@"+domain)
	}
	return out
}

// threeWays are the three programs with one secret file and domain.
type threeWays struct {
	names            []string
	forward, reverse []func(*testing.T, string) string
}

func newThreeWays(t *testing.T, o srsOptions) *threeWays {
	t.Helper()
	dir := room(t)
	writeFile(t, dir, "secret", strings.Join(o.secrets, "\n")+"\n", 0o600)
	post := newPostSRSd(t, dir, "-a"+o.separator, "-n"+strconv.Itoa(o.length), "-N"+strconv.Itoa(o.minimum))
	ours := newSRSTables(t, dir, "-a"+o.separator, "-n"+strconv.Itoa(o.length), "-N"+strconv.Itoa(o.minimum))
	perl := newPerlSRS(t, o)
	table := func(address string) func(*testing.T, string) string {
		c := dialTable(t, address)
		return func(t *testing.T, key string) string { return found(c.get(t, encoded(key))[0]) }
	}
	return &threeWays{
		names:   []string{"PostSRSd", "Mail::SRS", "posthouse"},
		forward: []func(*testing.T, string) string{table(post.forward), perl.forward, table(ours.forward)},
		reverse: []func(*testing.T, string) string{table(post.reverse), perl.reverse, table(ours.reverse)},
	}
}

// compare has each make an address of each sender, and each turn it back.
func (w *threeWays) compare(t *testing.T, senders []string) (problems []string) {
	t.Helper()
	for _, s := range senders {
		made := make([]string, 3)
		for i, forward := range w.forward {
			made[i] = forward(t, s)
		}
		// Domains are in lower case with us: the hash does not see it, and nobody else may care.
		if made[0] == "" || made[0] != made[1] || !strings.EqualFold(made[0], made[2]) || s == strings.ToLower(s) && made[0] != made[2] {
			problems = append(problems, fmt.Sprintf("forward %s: %v say %q", s, w.names, made))
			continue
		}
		for _, m := range []string{made[0], made[2], upper(made[0]), lower(made[2])} {
			back := make([]string, 3)
			for i, reverse := range w.reverse {
				back[i] = reverse(t, m)
			}
			if back[0] == "" || back[0] != back[1] || !strings.EqualFold(back[0], back[2]) {
				problems = append(problems, fmt.Sprintf("reverse %s: %v say %q", m, w.names, back))
			}
		}
	}
	return problems
}

// upper and lower are what relays do that fold local parts: of ASCII alone.
func upper(s string) string { return fold(s, 'a', 'A') }
func lower(s string) string { return fold(s, 'A', 'a') }

func fold(s string, from, to byte) string {
	b := []byte(s)
	for i, c := range b {
		if from <= c && c < from+26 {
			b[i] = c - from + to
		}
	}
	return string(b)
}

// encoded writes a key as tcp_table(5) wants it.
func encoded(key string) string {
	var b strings.Builder
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c == '%' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(key[i])
	}
	return b.String()
}

// found is the value of a reply, "" if there is none.
func found(reply string) string {
	value, ok := strings.CutPrefix(reply, "200 ")
	if !ok {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '%' && i+2 < len(value) {
			if n, err := strconv.ParseUint(value[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(value[i])
	}
	return b.String()
}

// newPostSRSd starts PostSRSd 1 for srs.test with the secret file of dir.
func newPostSRSd(t *testing.T, dir string, args ...string) *srsTables {
	t.Helper()
	forward, reverse := maillab.FreePort(t), maillab.FreePort(t)
	s := &srsTables{dir: dir, forward: maillab.Local(forward), reverse: maillab.Local(reverse)}
	s.Process = maillab.Start(t, dir, "postsrsd", append([]string{"-4", "-l127.0.0.1", "-f" + strconv.Itoa(forward),
		"-r" + strconv.Itoa(reverse), "-dsrs.test", "-s" + filepath.Join(dir, "secret")}, args...)...)
	maillab.WaitPort(t, s.forward)
	maillab.WaitPort(t, s.reverse)
	return s
}

// perlSRS is Mail::SRS, asked by lines: DAYS forward|reverse ADDRESS, where the clock is days ahead.
type perlSRS struct {
	in  io.Writer
	out *bufio.Reader
}

const perlScript = `
BEGIN { our $ahead = 0; *CORE::GLOBAL::time = sub { CORE::time() + 86400 * $ahead } }
use Mail::SRS;
$SIG{__WARN__} = sub {};
$| = 1;
my ($separator, $length, $minimum, $age, @secrets) = @ARGV;
my $srs = Mail::SRS->new(Secret => \@secrets, Separator => $separator, HashLength => $length, HashMin => $minimum, MaxAge => $age);
while (<STDIN>) {
	chomp;
	(our $ahead, my $way, my $address) = split / /, $_, 3;
	my $got = eval { $way eq "forward" ? $srs->forward($address, "srs.test") : $srs->reverse($address) };
	print defined $got ? $got : "", "\n";
}
`

func newPerlSRS(t *testing.T, o srsOptions) *perlSRS { return newPerlSRSAged(t, o, 21) }

func newPerlSRSAged(t *testing.T, o srsOptions, age int) *perlSRS {
	t.Helper()
	cmd := exec.Command("perl", append([]string{"-e", perlScript, "--", o.separator, strconv.Itoa(o.length), strconv.Itoa(o.minimum), strconv.Itoa(age)},
		o.secrets...)...)
	in, out := interview(t, cmd)
	return &perlSRS{in, out}
}

// interview starts a script that answers each line with one.
func interview(t *testing.T, cmd *exec.Cmd) (io.Writer, *bufio.Reader) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return in, bufio.NewReader(out)
}

func (p *perlSRS) ask(t *testing.T, days int, way, address string) string {
	t.Helper()
	if _, err := fmt.Fprintf(p.in, "%d %s %s\n", days, way, address); err != nil {
		t.Fatal(err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("Mail::SRS: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}

func (p *perlSRS) forward(t *testing.T, address string) string {
	return p.ask(t, 0, "forward", address)
}
func (p *perlSRS) reverse(t *testing.T, address string) string {
	return p.ask(t, 0, "reverse", address)
}

// TestSRSAge: addresses of earlier and later days are taken by all or by none; Mail::SRS can be told to wait longer, and so
// can we.
func TestSRSAge(t *testing.T) {
	t.Parallel()
	dir := room(t)
	o := srsOptions{"", "=", 4, 4, []string{"s"}}
	writeFile(t, dir, "secret", "s\n", 0o600)
	post, ours, longer := newPostSRSd(t, dir), newSRSTables(t, dir), newSRSTables(t, dir, "--max-age", "49d")
	perl, perlLonger := newPerlSRS(t, o), newPerlSRSAged(t, o, 49)
	ask := func(s *srsTables, address string) string { return found(dialTable(t, s.reverse).get(t, address)[0]) }
	for {
		day := time.Now().Unix() / 86400
		var problems []string
		for _, days := range []int{0, 1, 20, 21, 22, 48, 49, 50, 512, 1003, 1004, 1023, -1, -2} {
			address := perl.ask(t, -days, "forward", "alice@example.com")
			a, b, c := ask(post, address), perl.reverse(t, address), ask(ours, address)
			d, e := perlLonger.reverse(t, address), ask(longer, address)
			if a != b || a != c || d != e || (a != "") != (days >= 0 && days <= 21) || (d != "") != (days >= 0 && days <= 49) {
				problems = append(problems, fmt.Sprintf("%s after %d days: PostSRSd %q, Mail::SRS %q, posthouse %q; for 49 days Mail::SRS %q, posthouse %q",
					address, days, a, b, c, d, e))
			}
		}
		if time.Now().Unix()/86400 != day {
			continue
		}
		if len(problems) > 0 {
			t.Error(strings.Join(problems, "\n"))
		}
		return
	}
}

// TestSRSOlderSecrets: an address by any secret of the file is good, by another it is not.
func TestSRSOlderSecrets(t *testing.T) {
	t.Parallel()
	dir := room(t)
	writeFile(t, dir, "secret", "first\r\n\nsecond\n third \n", 0o600)
	post, ours := newPostSRSd(t, dir), newSRSTables(t, dir)
	for secret, good := range map[string]bool{"first": true, "second": true, " third ": true, "third": false, "fourth": false, "": false} {
		address := newPerlSRS(t, srsOptions{"", "=", 4, 4, []string{secret}}).forward(t, "alice@example.com")
		a, b := dialTable(t, post.reverse).get(t, address)[0], dialTable(t, ours.reverse).get(t, address)[0]
		if a != b || strings.HasPrefix(a, "200 ") != good {
			t.Errorf("by %q: PostSRSd %q, posthouse %q", secret, a, b)
		}
	}
}

// TestSRSAnswers: what is no plain rewriting is answered as PostSRSd answers it, to the letter where there is no reason else.
func TestSRSAnswers(t *testing.T) {
	t.Parallel()
	dir := room(t)
	writeFile(t, dir, "secret", "s\n", 0o600)
	exclude := "-Xplain.test,.below.test"
	post, ours := newPostSRSd(t, dir, exclude), newSRSTables(t, dir, exclude)
	always, oursAlways := newPostSRSd(t, dir, exclude, "-A"), newSRSTables(t, dir, exclude, "-A")
	good := newPerlSRS(t, srsOptions{"", "=", 4, 4, []string{"s"}}).forward(t, "alice@example.com")
	bad := strings.Replace(good, "alice", "mallory", 1)
	keys := []string{"someone@srs.test", "Someone@SRS.test", "a@plain.test", "a@Plain.TEST", "a@x.plain.test", "a@below.test", "a@x.below.test",
		"a@X.y.below.test", "a@notplain.test", "nobody", "postmaster", good, upper(good), strings.Replace(good, "@srs", "@other", 1),
		bad, strings.Replace(bad, "@srs", "@other", 1), "SRS0=abcd=AA=x.test=b@srs.test", "srs2=x@srs.test", "a%25b@x.test", "%41@x.test"}
	for name, sides := range map[string][2]string{
		"forward": {post.forward, ours.forward}, "reverse": {post.reverse, ours.reverse},
		"forward always": {always.forward, oursAlways.forward}, "reverse always": {always.reverse, oursAlways.reverse},
	} {
		for _, key := range keys {
			a := strings.Replace(dialTable(t, sides[0]).get(t, key)[0], "excluded py policy", "excluded by policy", 1)
			b := dialTable(t, sides[1]).get(t, key)[0]
			if a != b && !strings.EqualFold(found(a)+a[:3], found(b)+b[:3]) {
				t.Errorf("%s %s: PostSRSd %q, posthouse %q", name, key, a, b)
			}
			if a[:3] == "500" && a != b && !strings.Contains(key, "AA") { // whose date PostSRSd looks at before the hash
				t.Errorf("%s %s: PostSRSd says %q, posthouse %q", name, key, a, b)
			}
		}
	}
}

// TestSRSTableBadRequests: both answer and hang up. Exim ends a good request by closing its half.
func TestSRSTableBadRequests(t *testing.T) {
	t.Parallel()
	dir := room(t)
	writeFile(t, dir, "secret", "s\n", 0o600)
	for name, address := range map[string]string{"PostSRSd": newPostSRSd(t, dir).forward, "posthouse": newSRSTables(t, dir).forward} {
		for request, want := range map[string]string{"put a b\n": "500 Invalid request\n", "\n": "500 Invalid request\n", "GET a\n": "500 Invalid request\n",
			"get a@srs.test": "200 a@srs.test\n"} {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(maillab.Patience))
			_, _ = io.WriteString(c, request)
			_ = c.(*net.TCPConn).CloseWrite()
			reply, err := io.ReadAll(c)
			c.Close()
			if string(reply) != want || err != nil {
				t.Errorf("%s, %q: %q, %v", name, request, reply, err)
			}
		}
	}
}
