// SPDX-License-Identifier: MIT

package test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// balanced is a running `posthouse balancer`.
type balanced struct {
	*maillab.Process
	dir, admin string
}

// balancerFile is its cluster file: admin, lines of the root, services.
const balancerFile = `cluster: lb.test
nodes:
  - {host: lb.lb.test, services: [balancer]}
data_dir: state
admin: {listen: "%s"}
%sbalancer:
%s`

// startBalancer starts one with these services (lines below `balancer:`, indented by two) and waits until it is ready.
func startBalancer(t *testing.T, root, services string) *balanced {
	t.Helper()
	b := newBalancer(t, root, services)
	b.start(t)
	return b
}

// newBalancer writes the files of one.
func newBalancer(t *testing.T, root, services string) *balanced {
	t.Helper()
	b := &balanced{dir: room(t), admin: maillab.Local(maillab.FreePort(t))}
	b.write(t, root, services)
	return b
}

// write writes its cluster file.
func (b *balanced) write(t *testing.T, root, services string) {
	t.Helper()
	writeFile(t, b.dir, "posthouse.yaml", fmt.Sprintf(balancerFile, b.admin, root, services), 0o644)
}

// start starts it, also again.
func (b *balanced) start(t *testing.T) {
	t.Helper()
	b.launch(t)
	waitReady(t, b.Process, b.admin)
}

// launch starts it and does not wait.
func (b *balanced) launch(t *testing.T, more ...string) {
	t.Helper()
	b.Process = start(t, b.dir, append([]string{"balancer", "--config", filepath.Join(b.dir, "posthouse.yaml"), "--node", "lb.lb.test"}, more...)...)
}

// command runs a posthouse command on it.
func (b *balanced) command(t *testing.T, args ...string) result {
	t.Helper()
	return posthouse(t, b.dir, append(args, "--config", filepath.Join(b.dir, "posthouse.yaml"), "--node", "lb.lb.test")...)
}

// service is one service's lines.
func service(name, listen string, upstream []string, more ...string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "  %s:\n    listen: [%q]\n", name, listen)
	for _, line := range more {
		fmt.Fprintf(&s, "    %s\n", line)
	}
	s.WriteString("    upstream:\n")
	for _, u := range upstream {
		fmt.Fprintf(&s, "      - {%s}\n", u)
	}
	return s.String()
}

// at is one line of an upstream list: a backend, and NGINX's words for it, such as "weight=2 backup".
func at(b *maillab.Backend, words string) string {
	address := b.Addr()
	if strings.HasPrefix(address, "/") {
		address = "unix:" + address
	}
	line := fmt.Sprintf("address: %q", address)
	for word := range strings.FieldsSeq(words) {
		key, value, given := strings.Cut(word, "=")
		if !given {
			value = "true"
		}
		line += ", " + key + ": " + value
	}
	return line
}

// caller is a client's connection through a balancer.
type caller struct {
	net.Conn
	r    *bufio.Reader
	took time.Duration // from connecting to the first line, or to its end
	err  error         // why there was no first line
	name string        // the first line: who answered; "" if nobody did
}

// call connects from an address of this machine ("" is the system's choice) and waits for the server's name.
func call(t *testing.T, address, from string, patience time.Duration) *caller {
	t.Helper()
	began := time.Now()
	c := dialFrom(t, address, from)
	c.SetDeadline(began.Add(patience))
	c.name, c.err = c.line()
	c.took = time.Since(began)
	c.SetDeadline(time.Now().Add(5 * time.Minute))
	return c
}

// dialFrom connects and reads nothing.
func dialFrom(t *testing.T, address, from string) *caller {
	t.Helper()
	d := net.Dialer{Timeout: maillab.Patience}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	conn, err := d.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(maillab.Patience))
	return &caller{Conn: conn, r: bufio.NewReader(conn)}
}

// line reads a line without its end.
func (c *caller) line() (string, error) {
	line, err := c.r.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// says sends a text and wants it back.
func (c *caller) says(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c.r, got); err != nil || string(got) != text {
		t.Fatalf("%q came back as %q: %v", text, got, err)
	}
}

// closed wants the connection to be closed by the other side without another byte.
func (c *caller) closed(t *testing.T) {
	t.Helper()
	c.SetDeadline(time.Now().Add(maillab.Patience))
	if rest, err := io.ReadAll(c.r); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("not closed but %q, %v", rest, err)
	}
}

// names calls n times, one after another, and says who answered: "a a b", "-" for nobody.
func names(t *testing.T, address string, n int) string {
	t.Helper()
	var all []string
	for range n {
		c := call(t, address, "", maillab.Patience)
		c.Close()
		all = append(all, nobody(c.name))
	}
	return strings.Join(all, " ")
}

func nobody(name string) string {
	if name == "" {
		return "-"
	}
	return name
}
