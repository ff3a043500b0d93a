// SPDX-License-Identifier: MIT

package greylist

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/mail"
	"posthouse/table"
)

func defaults() Config {
	var c Config
	c.SetDefaults()
	return c
}

func path(t testing.TB, s string) mail.Path {
	t.Helper()
	if s == "" {
		return mail.Path{}
	}
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// clock is a wall clock and a monotonic one.
type clock struct {
	wall    time.Time
	elapsed time.Duration
}

func newClock() *clock { return &clock{wall: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) pass(d time.Duration) { c.wall, c.elapsed = c.wall.Add(d), c.elapsed+d }

func (c *clock) options() Options {
	start := c.elapsed
	return Options{Now: func() time.Time { return c.wall }, Elapsed: func() time.Duration { return c.elapsed - start }}
}

func open(t testing.TB, dir string, c Config, o Options) *List {
	t.Helper()
	l, err := Open(dir, c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// try is an attempt of "address sender recipient", with what came of it.
func try(t testing.TB, ask func(netip.Addr, string, mail.Path, mail.Path) Result, words string) string {
	t.Helper()
	w := strings.Split(words, " ")
	r := ask(netip.MustParseAddr(w[0]), "", path(t, w[1]), path(t, w[2]))
	if r.Pass != (r.Wait == 0) {
		t.Errorf("%s: %+v", words, r)
	}
	if r.Pass {
		return r.Why
	}
	return r.Why + " " + config.Duration(r.Wait).String()
}

// TestTriplets has a story a case: steps are waits and attempts with what they should come to.
func TestTriplets(t *testing.T) {
	t.Parallel()
	for name, story := range map[string]string{
		"waits and passes": `
			192.0.2.1 a@a.test u@u.test: new 5m
			100s
			192.0.2.1 a@a.test u@u.test: too early 3m20s
			200s
			192.0.2.1 a@a.test u@u.test: waited
			192.0.2.1 a@a.test u@u.test: known`,
		"one part differs": `
			192.0.2.1 a@a.test u@u.test: new 5m
			10m
			192.0.3.1 a@a.test u@u.test: new 5m
			192.0.2.1 b@a.test u@u.test: new 5m
			192.0.2.1 a@a.test v@u.test: new 5m
			192.0.2.99 A@a.TEST U@u.test: waited`,
		"mapped addresses are IPv4": `
			::ffff:192.0.2.1 a@a.test u@u.test: new 5m
			10m
			192.0.2.7 a@a.test u@u.test: waited`,
		"IPv6 by /64": `
			2001:db8:0:1::1 a@a.test u@u.test: new 5m
			10m
			2001:db8:0:1:ffff::9%eth0 a@a.test u@u.test: waited
			2001:db8:0:2::1 a@a.test u@u.test: new 5m`,
		"too late is new": `
			192.0.2.1 a@a.test u@u.test: new 5m
			172801s
			192.0.2.1 a@a.test u@u.test: new 5m
			300s
			192.0.2.1 a@a.test u@u.test: waited`,
		"too late, though it came early as well": `
			192.0.2.1 a@a.test u@u.test: new 5m
			299s
			192.0.2.1 a@a.test u@u.test: too early 1s
			172600s
			192.0.2.1 a@a.test u@u.test: new 5m`,
		"in the last second": `
			192.0.2.1 a@a.test u@u.test: new 5m
			48h
			192.0.2.1 a@a.test u@u.test: waited`,
		"who keeps knocking is not kept out": `
			192.0.2.1 a@a.test u@u.test: new 5m
			299s
			192.0.2.1 a@a.test u@u.test: too early 1s
			1s
			192.0.2.1 a@a.test u@u.test: waited`,
		"known for as long as it is seen": `
			192.0.2.1 a@a.test u@u.test: new 5m
			300s
			192.0.2.1 a@a.test u@u.test: waited
			800h
			192.0.2.1 a@a.test u@u.test: known
			800h
			192.0.2.1 a@a.test u@u.test: known
			841h
			192.0.2.1 a@a.test u@u.test: new 5m`,
		"bounces": `
			192.0.2.1  u@u.test: new 5m
			300s
			192.0.2.1  u@u.test: waited
			192.0.2.1 a@a.test u@u.test: new 5m`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			l := open(t, t.TempDir(), defaults(), c.options())
			for line := range strings.SplitSeq(strings.TrimSpace(story), "\n") {
				line = strings.TrimSpace(line)
				if d, err := time.ParseDuration(line); err == nil {
					c.pass(d)
					continue
				}
				cut := strings.LastIndex(line, ": ")
				if got := try(t, l.Peek, line[:cut]); got != line[cut+2:] {
					t.Errorf("peek %s; got %s", line, got)
				}
				if got := try(t, l.Check, line[:cut]); got != line[cut+2:] {
					t.Errorf("%s; got %s", line, got)
				}
			}
		})
	}
}

// A network becomes known by five successes, of which one an hour counts.
func TestKnownClients(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := open(t, t.TempDir(), defaults(), c.options())
	deliver := func(n int) {
		attempt := fmt.Sprintf("192.0.2.%d s%d@a.test u%d@u.test", n, n, n)
		if got := try(t, l.Check, attempt); got != "new 5m" {
			t.Errorf("%d: %s", n, got)
		}
		c.pass(5 * time.Minute)
		if got := try(t, l.Check, attempt); got != "waited" {
			t.Errorf("%d: %s", n, got)
		}
	}
	for n := range 4 {
		deliver(n)
		deliver(n + 100) // within the hour: does not count
		c.pass(time.Hour)
	}
	deliver(50)
	if got := try(t, l.Check, "192.0.2.200 new@a.test new@u.test"); got != "known client" {
		t.Error(got)
	}
	if got := try(t, l.Check, "192.0.3.200 new@a.test new@u.test"); got != "new 5m" {
		t.Error(got)
	}
	if got := fmt.Sprint(l.Stats()); got != "{1 9 1}" {
		t.Error(got)
	}
	c.pass(34 * day)
	if got := try(t, l.Check, "192.0.2.200 newer@a.test new@u.test"); got != "known client" {
		t.Error(got)
	}
	c.pass(34 * day)
	off := defaults()
	off.AutoWhitelistClients = 0
	l.Use(off, nil, nil)
	if got := try(t, l.Check, "192.0.2.200 newest@a.test new@u.test"); got != "new 5m" {
		t.Error(got)
	}
	l.Use(defaults(), nil, nil)
	if got := try(t, l.Check, "192.0.2.200 newest@a.test new@u.test"); got != "known client" {
		t.Error(got)
	}
	c.pass(36 * day)
	if got := try(t, l.Check, "192.0.2.200 last@a.test new@u.test"); got != "new 5m" {
		t.Error(got)
	}
}

func TestPeekLeavesNoTrace(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := open(t, t.TempDir(), defaults(), c.options())
	for range 3 {
		if got := try(t, l.Peek, "192.0.2.1 a@a.test u@u.test"); got != "new 5m" || l.Stats() != (Stats{}) {
			t.Error(got, l.Stats())
		}
		c.pass(time.Hour)
	}
}

func TestNormalise(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                           "",
		"User@a.test":                                "user@a.test",
		"user+ext@a.test":                            "user@a.test",
		"bounce-1234-u=x.test@a.test":                "bounce-#-u=x.test@a.test",
		"1234@a.test":                                "#@a.test",
		"a1234@a.test":                               "a1234@a.test",
		"a_12_b.34@a.test":                           "a_12_b.#@a.test",
		"prvs=0123456789=user@a.test":                "user@a.test",
		"prvs=user=0123456789@a.test":                "user@a.test",
		"PRVS=012345abcd=user+x@a.test":              "user@a.test",
		"prvs=short=user@a.test":                     "user@a.test",
		"prvs=a=b=c@a.test":                          "prvs=a=b=c@a.test",
		"SRS0=AbCd=TT=b.test=user@a.test":            "srs0=b.test=user@a.test",
		"SRS0+AbCd=TT=b.test=user@a.test":            "srs0=b.test=user@a.test",
		"srs0=xx@a.test":                             "srs0=xx@a.test",
		"SRS1=Zz=c.test==AbCd=TT=b.test=user@a.test": "srs1=c.test=b.test=user@a.test",
		"SRS1-Zz=c.test=+AbCd=TT=b.test=user@a.test": "srs1=c.test=b.test=user@a.test",
		"srs1=a=b@a.test":                            "srs1=a=b@a.test",
		"srs@a.test":                                 "srs@a.test",
	} {
		if got := normalise(path(t, in)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func inTable(t *testing.T, ref string) *table.Table {
	t.Helper()
	tab, err := table.Open(table.MustRef(ref), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestExceptions(t *testing.T) {
	t.Parallel()
	clients := inTable(t, "inline:{192.0.2.1=x, 198.51=x, 203.0.113=x, 2001:db8::1=x, big.test=x, mx.one.test=x}")
	recipients := inTable(t, "inline:{postmaster@=x, whole.test=x, one@some.test=x}")
	l := open(t, t.TempDir(), defaults(), Options{Clients: clients, Recipients: recipients})
	for words, want := range map[string]string{
		"192.0.2.1 - u@u.test":                ExceptedClient,
		"192.0.2.2 - u@u.test":                New,
		"::ffff:192.0.2.1 - u@u.test":         ExceptedClient,
		"198.51.100.9 - u@u.test":             ExceptedClient,
		"203.0.113.9 - u@u.test":              ExceptedClient,
		"203.0.11.9 - u@u.test":               New,
		"2001:db8::1 - u@u.test":              ExceptedClient,
		"2001:db8::2 - u@u.test":              New,
		"192.0.2.2 mx1.OUT.big.test u@u.test": ExceptedClient,
		"192.0.2.2 big.test u@u.test":         ExceptedClient,
		"192.0.2.2 notbig.test u@u.test":      New,
		"192.0.2.2 mx.one.test u@u.test":      ExceptedClient,
		"192.0.2.2 one.test u@u.test":         New,
		"192.0.2.2 - postmaster@u.test":       ExceptedRecipient,
		"192.0.2.2 - Postmaster+x@u.test":     ExceptedRecipient,
		"192.0.2.2 - a@whole.test":            ExceptedRecipient,
		"192.0.2.2 - a@sub.whole.test":        ExceptedRecipient,
		"192.0.2.2 - a@some.test":             New,
		"192.0.2.2 - one+ext@some.test":       ExceptedRecipient,
	} {
		w := strings.Fields(words)
		got := l.Peek(netip.MustParseAddr(w[0]), strings.Trim(w[1], "-"), path(t, "a@a.test"), path(t, w[2]))
		if got.Why != want || got.Pass != (want != New) {
			t.Errorf("%s: %+v, want %s", words, got, want)
		}
	}
}

func TestExceptionPatterns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir+"/nets", []byte("192.0.2.0/24 ok\n2001:db8::/32 ok\n"))
	tab, err := table.Open(table.MustRef("cidr:nets"), dir)
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, t.TempDir(), defaults(), Options{Clients: tab})
	for addr, want := range map[string]string{"192.0.2.77": ExceptedClient, "2001:db8:9::1": ExceptedClient, "192.0.3.1": New} {
		if got := l.Peek(netip.MustParseAddr(addr), "mx.big.test", mail.Path{}, path(t, "u@u.test")); got.Why != want {
			t.Errorf("%s: %+v", addr, got)
		}
	}
}

// Those that never came back go first, then those that did, then the clients.
func TestBounded(t *testing.T) {
	t.Parallel()
	conf := defaults()
	conf.MaxEntries = 1000
	c := newClock()
	l := open(t, t.TempDir(), conf, c.options())
	try(t, l.Check, "192.0.2.1 good@a.test u@u.test")
	c.pass(5 * time.Minute)
	try(t, l.Check, "192.0.2.1 good@a.test u@u.test")
	flood := func(from, to int) {
		for n := from; n < to; n++ {
			try(t, l.Check, fmt.Sprintf("198.51.%d.1 s%c@a.test u@u.test", n%200, 'a'+n/200))
			c.pass(time.Second)
		}
	}
	flood(0, 998)
	if got := try(t, l.Check, "198.51.0.1 sa@a.test u@u.test"); got != "waited" {
		t.Error(got)
	}
	if got := fmt.Sprint(l.Stats()); got != "{996 2 2}" { // the second oldest went for the client 198.51.0.0/24
		t.Error(got)
	}
	flood(1000, 3000)
	if got := fmt.Sprint(l.Stats()); got != "{996 2 2}" {
		t.Error(got)
	}
	if got := try(t, l.Check, "192.0.2.1 good@a.test u@u.test"); got != "known" {
		t.Error(got)
	}
	c.pass(100 * day)
	l.save()
	if got := l.Stats(); got != (Stats{}) {
		t.Errorf("%+v: expired entries stay", got)
	}
}

// Neither a wall clock set forth nor one set back lets anybody in or shuts anybody out.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, 400 * day, -time.Hour, -400 * day} {
		c, dir := newClock(), t.TempDir()
		l := open(t, dir, defaults(), c.options())
		try(t, l.Check, "192.0.2.1 a@a.test u@u.test")
		try(t, l.Check, "192.0.2.2 b@a.test u@u.test")
		c.wall = c.wall.Add(jump)
		c.pass(time.Minute)
		if got := try(t, l.Check, "192.0.2.1 a@a.test u@u.test"); got != "too early 4m" {
			t.Errorf("%v: %s", jump, got)
		}
		c.pass(4 * time.Minute)
		if got := try(t, l.Check, "192.0.2.1 a@a.test u@u.test"); got != "waited" {
			t.Errorf("%v: %s", jump, got)
		}
		l.Close()
		if jump > 0 {
			continue
		}
		l = open(t, dir, defaults(), c.options()) // a clock that was set back looks like no time at all
		if got := try(t, l.Check, "192.0.2.1 a@a.test u@u.test"); got != "known" {
			t.Errorf("%v, restarted: %s", jump, got)
		}
		c.pass(4 * time.Minute)
		if got := try(t, l.Check, "192.0.2.1 c@a.test u@u.test"); got != "new 5m" {
			t.Errorf("%v, restarted: %s", jump, got)
		}
		if got := try(t, l.Check, "192.0.2.2 b@a.test u@u.test"); got != "waited" {
			t.Errorf("%v, restarted: %s", jump, got)
		}
	}
}

// A clock that has no monotonic reading may run backwards; ours stands still meanwhile.
func TestClockWithoutMonotonicReading(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := open(t, t.TempDir(), defaults(), Options{Now: func() time.Time { return c.wall }})
	c.pass(time.Hour)
	try(t, l.Check, "192.0.2.1 a@a.test u@u.test")
	c.pass(-30 * time.Minute)
	if got := try(t, l.Check, "192.0.2.1 a@a.test u@u.test"); got != "too early 5m" {
		t.Error(got)
	}
	c.pass(35 * time.Minute)
	if got := try(t, l.Check, "192.0.2.1 a@a.test u@u.test"); got != "waited" {
		t.Error(got)
	}
}

func TestWrongConfig(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"delay: 0":                   "more than 0",
		"retry_window: 1m":           "nobody could ever pass",
		"max_age: 1d":                "less than the retry_window",
		"auto_whitelist_clients: -1": "number of successes",
		"ipv4_prefix: 33":            "8 to 32",
		"ipv6_prefix: 8":             "16 to 128",
		"max_entries: 10":            "1000 to",
	} {
		c := defaults()
		_, report := config.Parse("x.yaml", []byte(text), &c)
		if err := report.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, report := config.Parse("x.yaml", []byte("delay: 10m\nexceptions: cidr:known"), new(defaultConfig)); report.Err() != nil {
		t.Error(report.Err())
	}
}

type defaultConfig struct {
	Config `yaml:",inline"`
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"a@a.test", "SRS0=a=b=c.test=d@a.test", "srs1=a=b==c=d=e=f@a.test", "prvs=0123456789=u@a.test", "b-1-2+x@a.test", "=@a.test"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := mail.ParseAddress(s)
		if err != nil {
			return
		}
		got := normalise(p)
		if len(got) > len(p.Local())+len(p.Domain())+1 || !strings.HasSuffix(got, "@"+p.Domain()) {
			t.Fatalf("%q became %q", s, got)
		}
	})
}
