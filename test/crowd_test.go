// SPDX-License-Identifier: MIT

package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// asCrowd says to a process of this test's own binary that it is a part of a crowd: thousands of connections need more descriptors
// than a process may have, and what they cost the test must not be counted to the balancer.
const asCrowd = "POSTHOUSE_TEST_CROWD"

// crowd is such a process. It is told a line and answers one.
type crowd struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func startCrowd(t *testing.T, part string) *crowd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asCrowd+"="+part)
	cmd.Stderr = os.Stderr
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
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &crowd{t, in, bufio.NewReader(out)}
}

// do has it do something, and returns what it says of it.
func (c *crowd) do(format string, args ...any) string {
	c.t.Helper()
	order := fmt.Sprintf(format, args...)
	if _, err := fmt.Fprintln(c.in, order); err != nil {
		c.t.Fatalf("%s: %v", order, err)
	}
	answer, err := c.out.ReadString('\n')
	answer = strings.TrimSpace(answer)
	if err != nil || strings.HasPrefix(answer, "error") {
		c.t.Fatalf("%s: %s %v", order, answer, err)
	}
	return answer
}

// runCrowd is what such a process does: orders from its standard input, one a line, until that ends.
func runCrowd(part string) {
	m := &mob{greeting: "* OK [CAPABILITY IMAP4rev1] ready\r\n"}
	orders := map[string]func([]string) (string, error){
		"listen": m.listen, "dial": m.dial, "ask": m.ask, "push": m.push, "leave": m.leave, "count": m.count,
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		order, ok := orders[words[0]]
		if !ok {
			fmt.Println("error: no order", words[0], "for", part)
			continue
		}
		answer, err := order(words[1:])
		if err != nil {
			answer = "error: " + err.Error()
		}
		fmt.Println(answer)
	}
}

// mob is the connections of one process.
type mob struct {
	greeting string
	mu       sync.Mutex
	conns    []net.Conn
	sessions chan int // how many a listener has
}

// listen takes connections at an address that it says: greets, and answers each line with OK. "listen deaf" never reads.
func (m *mob) listen(words []string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	m.sessions = make(chan int, 1)
	m.sessions <- 0
	deaf := len(words) > 0 && words[0] == "deaf"
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				fmt.Fprintln(os.Stderr, "crowd: accept:", err)
				return
			}
			if deaf {
				c.(*net.TCPConn).SetReadBuffer(4096)
				m.add(c)
			}
			go m.serve(c, deaf)
		}
	}()
	return l.Addr().String(), nil
}

func (m *mob) serve(c net.Conn, deaf bool) {
	m.sessions <- 1 + <-m.sessions
	io.WriteString(c, m.greeting)
	if deaf {
		return
	}
	buf := make([]byte, 256)
	for {
		n, err := c.Read(buf)
		if err != nil {
			break
		}
		if n > 0 && buf[n-1] == '\n' {
			io.WriteString(c, "a OK\r\n")
		}
	}
	c.Close()
	m.sessions <- -1 + <-m.sessions
}

func (m *mob) add(c net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns = append(m.conns, c)
}

func (m *mob) all() []net.Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.conns)
}

// count says how many sessions the listener has.
func (m *mob) count([]string) (string, error) {
	n := <-m.sessions
	m.sessions <- n
	return strconv.Itoa(n), nil
}

// dial makes connections and reads their greetings: dial ADDRESS FROM COUNT.
func (m *mob) dial(words []string) (string, error) {
	n, err := strconv.Atoi(words[2])
	if err != nil {
		return "", err
	}
	d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(words[1])}}
	got := make([]byte, len(m.greeting))
	for range n {
		c, err := d.Dial("tcp", words[0])
		if err != nil {
			return "", err
		}
		m.add(c)
		c.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != m.greeting {
			return "", fmt.Errorf("greeting %q: %v", got, err)
		}
		c.SetDeadline(time.Time{})
	}
	return "ok", nil
}

// ask wants an answer in every STEPth connection.
func (m *mob) ask(words []string) (string, error) {
	step, err := strconv.Atoi(words[0])
	if err != nil {
		return "", err
	}
	asked := 0
	conns := m.all()
	for i := 0; i < len(conns); i += step {
		c := conns[i]
		c.SetDeadline(time.Now().Add(20 * time.Second))
		io.WriteString(c, "a NOOP\r\n")
		got := make([]byte, 6)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "a OK\r\n" {
			return "", fmt.Errorf("connection %d: %q: %v", i, got, err)
		}
		asked++
	}
	return strconv.Itoa(asked), nil
}

// push writes into all connections until each has taken nothing for a second, and says how many octets all took.
func (m *mob) push([]string) (string, error) {
	conns, written := m.all(), make(chan int64)
	for _, c := range conns {
		go func() {
			block, sum := make([]byte, 32<<10), int64(0)
			for {
				c.SetWriteDeadline(time.Now().Add(time.Second))
				n, err := c.Write(block)
				sum += int64(n)
				if err != nil {
					break
				}
			}
			written <- sum
		}()
	}
	var all int64
	for range conns {
		all += <-written
	}
	return strconv.FormatInt(all, 10), nil
}

// leave closes all connections.
func (m *mob) leave([]string) (string, error) {
	for _, c := range m.all() {
		c.Close()
	}
	return "ok", nil
}
