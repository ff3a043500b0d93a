// SPDX-License-Identifier: MIT

//go:build interop

package greylist

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/config"
)

// postgrey is a postgrey(8) of the test's own, which takes the time from each question.
type postgrey struct {
	conn net.Conn
	r    *bufio.Reader
}

func startPostgrey(t *testing.T) *postgrey {
	t.Helper()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	cmd := exec.CommandContext(t.Context(), "/usr/sbin/postgrey", "--unix="+socket, "--dbdir="+dir, "--pidfile="+filepath.Join(dir, "pid"),
		"--user="+me.Username, "--group="+group.Name, "--whitelist-clients=/dev/null", "--whitelist-recipients=/dev/null", "--greylist-text=%s")
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; test/peers.sh installs postgrey", err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			t.Cleanup(func() { conn.Close() })
			conn.SetDeadline(time.Now().Add(2 * time.Minute))
			return &postgrey{conn, bufio.NewReader(conn)}
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // until it listens
	}
}

// ask is what it says: "pass", or the seconds to wait.
func (p *postgrey) ask(t *testing.T, now time.Time, client, from, to string) string {
	t.Helper()
	_, err := fmt.Fprintf(p.conn, "request=smtpd_access_policy\nclient_address=%s\nclient_name=unknown\nsender=%s\nrecipient=%s\n"+
		"etrn_domain=\npolicy_test_time=%d\n\n", client, from, to, now.Unix())
	if err != nil {
		t.Fatal(err)
	}
	line, err := p.r.ReadString('\n')
	if err == nil {
		_, err = io.ReadFull(p.r, make([]byte, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	if wait, ok := strings.CutPrefix(strings.TrimSpace(line), "action=DEFER_IF_PERMIT 4.2.0 "); ok {
		return wait
	}
	return "pass"
}

// TestAsPostgrey sends both the same mail over the same year. Each client has its own network, since postgrey counts
// successes by address, and nothing is forgotten for its age, which postgrey does by night alone.
func TestAsPostgrey(t *testing.T) {
	t.Parallel()
	pg, c, conf := startPostgrey(t), newClock(), defaults()
	conf.MaxAge = config.Duration(1000 * day)
	l := open(t, t.TempDir(), conf, c.options())
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	passes := 0
	for i := range 5000 {
		switch r.IntN(10) {
		case 0:
			c.pass([]time.Duration{300 * time.Second, time.Hour, 47 * time.Hour, 48*time.Hour + time.Second}[r.IntN(4)])
		case 1, 2, 3, 4:
			c.pass([]time.Duration{time.Second, 37 * time.Second, 100 * time.Second, 299 * time.Second}[r.IntN(4)])
		}
		client := pick("192.0.2.1", "198.51.100.7", "203.0.113.200", "2001:db8::1", "2001:db8:0:1::1")
		if i < 2500 { // time enough for all to be unknown clients; then the rest of the world
			client = fmt.Sprintf("10.%d.%d.9", r.IntN(3), r.IntN(20))
		}
		from := pick("a@a.test", "A@a.test", "", "b+ext@a.test", "b@a.test", fmt.Sprintf("bounce-%d-u=u.test@l.test", r.IntN(1000)),
			fmt.Sprintf("prvs=%010d=c@a.test", r.IntN(1000)), fmt.Sprintf("prvs=c=%010d@a.test", r.IntN(1000)), fmt.Sprintf("x%d_y@a.test", r.IntN(3)),
			fmt.Sprintf("%d.%d@l.test", r.IntN(99), r.IntN(99)), "prvs=a=b=c@a.test", "prvs=short=d@a.test")
		to := pick("u@u.test", "U@u.test", "v+1@u.test", "1@u.test")
		want := pg.ask(t, c.wall, client, from, to)
		res := l.Check(netip.MustParseAddr(client), "", path(t, from), path(t, to))
		got := "pass"
		if !res.Pass {
			got = fmt.Sprint(int(res.Wait.Seconds()))
		} else {
			passes++
		}
		if got != want {
			t.Fatalf("step %d, %s, %s <%s> <%s>: %s (%s), postgrey says %s", i, c.wall, client, from, to, got, res.Why, want)
		}
	}
	if s := l.Stats(); passes < 500 || s.Clients < 5 || s.Passed < 50 {
		t.Errorf("%d passes, %+v: the story is too thin", passes, s)
	}
}
