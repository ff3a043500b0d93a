// SPDX-License-Identifier: MIT

package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// srsTables is a running `posthouse srs serve` for srs.test, with the secret file `secret` in dir.
type srsTables struct {
	*maillab.Process
	dir, forward, reverse, socketmap string
}

// newSRSTables starts it with further flags.
func newSRSTables(t *testing.T, dir string, args ...string) *srsTables {
	t.Helper()
	s := &srsTables{dir: dir, forward: maillab.Local(maillab.FreePort(t)), reverse: maillab.Local(maillab.FreePort(t)),
		socketmap: filepath.Join(room(t), "srs")}
	if _, err := os.Stat(filepath.Join(dir, "secret")); err != nil {
		writeFile(t, dir, "secret", "s\n", 0o600)
	}
	s.Process = start(t, dir, append([]string{"srs", "serve", "--domain", "srs.test", "--secret-file", filepath.Join(dir, "secret"),
		"--forward", s.forward, "--reverse", s.reverse, "--socketmap", "unix:" + s.socketmap}, args...)...)
	maillab.WaitPort(t, s.forward)
	maillab.WaitPort(t, s.reverse)
	s.WaitLog(`"started"`)
	return s
}

// table is a connection to a tcp_table(5) server.
type tcpTable struct {
	net.Conn
	in *bufio.Reader
}

func dialTable(t *testing.T, address string) *tcpTable {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &tcpTable{c, bufio.NewReader(c)}
}

// get asks for keys, all at once, and returns the replies without their line ends.
func (c *tcpTable) get(t *testing.T, keys ...string) []string {
	t.Helper()
	var ask strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&ask, "get %s\n", k)
	}
	_ = c.SetDeadline(time.Now().Add(maillab.Patience))
	if _, err := io.WriteString(c, ask.String()); err != nil {
		t.Fatal(err)
	}
	var replies []string
	for range keys {
		line, err := c.in.ReadString('\n')
		if err != nil {
			t.Fatalf("after %d replies: %v", len(replies), err)
		}
		replies = append(replies, strings.TrimSuffix(line, "\n"))
	}
	return replies
}

// TestSRSServe: both tables and the socketmap by flags alone; an address comes back from where it went; SIGHUP and a change
// of the file bring other secrets, a broken file does not; SIGTERM ends it.
func TestSRSServe(t *testing.T) {
	t.Parallel()
	s := newSRSTables(t, room(t), "--exclude-domain", "plain.test, .below.test")
	forward, reverse := dialTable(t, s.forward), dialTable(t, s.reverse)
	replies := forward.get(t, "alice@example.com", "a@plain.test", "a@x.below.test", "a@srs.test")
	address, found := strings.CutPrefix(replies[0], "200 SRS0=")
	if !found || replies[3] != "200 a@srs.test" || replies[1] != "500 Domain excluded by policy" || replies[2] != replies[1] {
		t.Fatalf("%q", replies)
	}
	address = "SRS0=" + address
	if got := reverse.get(t, address, "a@b.test"); got[0] != "200 alice@example.com" || got[1] != "500 Not an SRS address." {
		t.Errorf("%q", got)
	}
	if got := askSocketmap(t, s.socketmap, "reverse "+address); got != "OK alice@example.com" {
		t.Errorf("socketmap: %q", got)
	}

	writeFile(t, s.dir, "secret", "new\ns\n", 0o600)
	s.Signal(syscall.SIGHUP)
	s.WaitLog(`"reloaded"`)
	if got := reverse.get(t, address); got[0] != "200 alice@example.com" {
		t.Errorf("with the secret as the second: %q", got)
	}
	if got := forward.get(t, "alice@example.com"); got[0] == "200 "+address {
		t.Errorf("still signed by the first secret: %q", got)
	}
	writeFile(t, s.dir, "secret", "\n", 0o600)
	s.WaitLog("no secret in it")
	if got := reverse.get(t, address); got[0] != "200 alice@example.com" {
		t.Errorf("with a broken file: %q", got)
	}
	writeFile(t, s.dir, "secret", "new\n", 0o600)
	s.WaitLog("srs secrets read again")
	if got := reverse.get(t, address); got[0] != "500 Hash invalid in SRS address." {
		t.Errorf("retired secret: %q", got)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.socketmap); err == nil {
		t.Error("its socket is still there")
	}
}

// askSocketmap asks one thing.
func askSocketmap(t *testing.T, path, request string) string {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(maillab.Patience))
	fmt.Fprintf(c, "%d:%s,", len(request), request)
	r := bufio.NewReader(c)
	var n int
	if _, err := fmt.Fscanf(r, "%d:", &n); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, n)
	if _, err := io.ReadFull(r, reply); err != nil {
		t.Fatal(err)
	}
	return string(reply)
}

// TestSRSServeFromTheClusterFile: smtp-in and the tables of a Postfix beside it share domain and secret.
func TestSRSServeFromTheClusterFile(t *testing.T) {
	t.Parallel()
	dir := room(t)
	r := newRelay(t, dir, maillab.Local(1), "  srs: {domain: relay.test, secret_file: secret}\n")
	writeFile(t, dir, "secret", "s\n", 0o600)
	address := maillab.Local(maillab.FreePort(t))
	p := start(t, dir, "srs", "serve", "--config", r.config(), "--node", "mx.relay.test", "--forward", address, "--reverse", "")
	maillab.WaitPort(t, address)
	cli := r.command(t, "srs", "forward", "alice@example.com")
	if got := dialTable(t, address).get(t, "alice@example.com"); "200 "+cli.out != got[0]+"\n" {
		t.Errorf("the table says %q, the command %q %q", got, cli.out, cli.err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}
