// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"

	"posthouse/internal/maillab"
)

// talk is one conversation with a server, from the address of a client.
type talk struct {
	conn net.Conn
	in   *bufio.Reader
}

// dial connects and reads the banner.
func dial(server, client string) (*talk, answer, error) {
	if strings.Contains(client, ":") {
		server = six(server)
	}
	d := net.Dialer{Timeout: maillab.Patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(client)}}
	conn, err := d.Dial("tcp", server)
	if err != nil {
		return nil, answer{}, err
	}
	k := &talk{}
	k.on(conn)
	banner, err := k.read()
	return k, banner, err
}

func (k *talk) on(conn net.Conn) {
	k.conn, k.in = conn, bufio.NewReader(conn)
	conn.SetDeadline(time.Now().Add(3 * maillab.Patience))
}

func (k *talk) close() { k.conn.Close() }

// answer is a whole reply, its lines joined.
type answer struct{ text string }

// code is the reply code with the enhanced one, if there is one.
func (a answer) code() string {
	fields := strings.Fields(a.text)
	switch {
	case len(fields) == 0:
		return "nothing"
	case len(fields) > 1 && strings.Count(fields[1], ".") == 2 && strings.Trim(fields[1], "0123456789.") == "":
		return fields[0] + " " + fields[1]
	}
	return fields[0]
}

func (a answer) ok() bool { return strings.HasPrefix(a.text, "2") || strings.HasPrefix(a.text, "3") }

func (k *talk) read() (answer, error) {
	var text strings.Builder
	for {
		line, err := k.in.ReadString('\n')
		if err != nil {
			return answer{}, fmt.Errorf("%w after %q", err, text.String()+line)
		}
		text.WriteString(line)
		if len(line) < 4 || line[3] != '-' {
			return answer{strings.TrimSpace(text.String())}, nil
		}
	}
}

// say sends one line, or several in one packet, and reads one reply.
func (k *talk) say(lines ...string) (answer, error) {
	if _, err := k.conn.Write([]byte(strings.Join(lines, "\r\n") + "\r\n")); err != nil {
		return answer{}, err
	}
	return k.read()
}

func (k *talk) startTLS() error {
	if a, err := k.say("STARTTLS"); err != nil || !a.ok() {
		return fmt.Errorf("STARTTLS: %s %v", a.text, err)
	}
	c := tls.Client(k.conn, &tls.Config{InsecureSkipVerify: true})
	if err := c.Handshake(); err != nil {
		return err
	}
	k.on(c)
	return nil
}
