// SPDX-License-Identifier: MIT

// Command outside stands between the load tool and a server and makes its mail look like a stranger's: each connection begins
// with a PROXY header that names an address outside mynetworks, and each message gets a DKIM signature that verifies. The load
// tool sends the same text behind a numbered head every time, so one signature over the text, made from the first message, is
// good for all. The Message-ID of the head is taken out: it differs, and a signature covers it, or its absence.
//
//	outside -listen 127.0.0.1:7101 -target 127.0.0.1:7102 -client 192.0.2.7 -domain example.com -selector bench -key rsa.pem
//
// Without -key nothing is signed. What it costs is the load side's, and the same for everything measured behind it.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"sync"

	"posthouse/dkim"
	"posthouse/mail"
)

// head is how a message of the load tool begins, at the start of a write, since it waits for the 354.
var head = []byte("X-Bench-Seq: ")

func main() {
	listen := flag.String("listen", "", "address to listen on")
	target := flag.String("target", "", "the server")
	client := flag.String("client", "192.0.2.7", "address that the PROXY header names")
	domain := flag.String("domain", "example.com", "d= of the signature")
	selector := flag.String("selector", "bench", "s= of the signature")
	key := flag.String("key", "", "private key in PEM; none: no signature")
	flag.Parse()
	s := &stamp{domain: *domain, selector: *selector}
	var err error
	if *key != "" {
		if s.key, err = os.ReadFile(*key); err != nil {
			log.Fatal(err)
		}
	}
	addr, err := netip.ParseAddr(*client)
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			if err := s.pass(c, *target, addr); err != nil {
				log.Print(err)
			}
		}()
	}
}

// stamp is the signature that all messages get.
type stamp struct {
	domain, selector string
	key              []byte

	once  sync.Once
	field []byte
}

// pass carries one connection.
func (s *stamp) pass(c net.Conn, target string, client netip.Addr) error {
	defer c.Close()
	up, err := net.Dial("tcp", target)
	if err != nil {
		return err
	}
	defer up.Close()
	from := c.RemoteAddr().(*net.TCPAddr)
	to := up.RemoteAddr().(*net.TCPAddr)
	if _, err := fmt.Fprintf(up, "PROXY TCP4 %s %s %d %d\r\n", client, to.IP, from.Port, to.Port); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(c, up)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	return s.forward(up, c)
}

// forward passes what the client says on, and puts the signature before each message.
func (s *stamp) forward(up io.Writer, c io.Reader) error {
	block := make([]byte, 1<<16)
	for {
		n, err := c.Read(block)
		if err != nil {
			return nil // the client has gone, with or without a word
		}
		said := block[:n]
		if bytes.HasPrefix(said, head) {
			said = withoutID(said)
			if said, err = s.sign(said, c); err != nil {
				return err
			}
		}
		if _, err := up.Write(said); err != nil {
			return nil
		}
	}
}

// withoutID cuts the second line of a head, its Message-ID, out.
func withoutID(said []byte) []byte {
	number, rest, _ := bytes.Cut(said, []byte("\r\n"))
	id, _, found := bytes.Cut(rest, []byte("\r\n"))
	if !found || !bytes.HasPrefix(id, []byte("Message-ID: ")) {
		return said
	}
	return append(said[:len(number)+2], rest[len(id)+2:]...)
}

// end is how a message ends on the wire.
var end = []byte("\r\n.\r\n")

// sign returns the message with the signature on top. The first one is read to its end to be signed.
func (s *stamp) sign(said []byte, c io.Reader) ([]byte, error) {
	if s.key == nil {
		return said, nil
	}
	var err error
	s.once.Do(func() { said, err = s.prepare(said, c) })
	if err != nil {
		return nil, err
	}
	return append(append(make([]byte, 0, len(s.field)+len(said)), s.field...), said...), nil
}

func (s *stamp) prepare(said []byte, c io.Reader) ([]byte, error) {
	whole := bytes.Clone(said)
	more := make([]byte, 1<<16)
	for !bytes.HasSuffix(whole, end) {
		n, err := c.Read(more)
		if err != nil {
			return nil, err
		}
		whole = append(whole, more[:n]...)
	}
	msg, err := mail.ReadMessage(bytes.NewReader(whole[:len(whole)-len(".\r\n")]), int64(len(whole)))
	if err != nil {
		return nil, err
	}
	msg.Header.Remove("X-Bench-Seq")
	field, err := dkim.SignWith(context.Background(), msg, s.domain, s.selector, s.key)
	s.field = []byte(field)
	return whole, err
}
