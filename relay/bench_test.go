// SPDX-License-Identifier: MIT

package relay

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"posthouse/mail"
	"posthouse/resolver"
)

// swallow is the cheapest server there can be: it answers what has to be answered, and reads bodies without a look.
func swallow(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 256<<10)
	io.WriteString(conn, "220 x\r\n")
	body := false
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		out := ""
		switch p := buf[:n]; {
		case body:
			if bytes.HasSuffix(p, []byte("\r\n.\r\n")) {
				body, out = false, "250 2.0.0 Ok\r\n"
			}
		case bytes.HasPrefix(p, []byte("EHLO")):
			out = "250-x\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
		case bytes.HasSuffix(p, []byte("DATA\r\n")):
			body, out = true, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go\r\n"
		default:
			out = "221 Bye\r\n"
		}
		io.WriteString(conn, out)
	}
}

// BenchmarkRelay is one message to one recipient on loopback, the server's half included.
func BenchmarkRelay(b *testing.B) {
	for _, c := range []struct {
		name     string
		size     int
		messages int
	}{{"4KiB/reused", 4 << 10, 1 << 30}, {"4KiB/fresh", 4 << 10, 1}, {"100KiB/reused", 100 << 10, 1 << 30}, {"20MiB/reused", 20 << 20, 1 << 30}} {
		b.Run(c.name, func(b *testing.B) { benchmarkRelay(b, c.size, c.messages) })
	}
}

func benchmarkRelay(b *testing.B, size, messages int) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go swallow(conn)
		}
	}()
	zone, err := resolver.ParseZone("mx.test. 60 IN A 127.0.0.1\n")
	if err != nil {
		b.Fatal(err)
	}
	r, err := New(Options{Resolver: zone, Hello: "client.test", Idle: Idle{Messages: messages}})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	route, err := ParseRoute("smtp:[mx.test]:" + port)
	if err != nil {
		b.Fatal(err)
	}
	env, msg := letter(b, "to@b.test")
	line := strings.Repeat("x", 76) + "\r\n"
	msg.Body = mail.Bytes(strings.Repeat(line, size/len(line)))
	carrier := r.Carrier("b.test", route)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if err := carrier.Carry(context.Background(), env, msg).Err(); err != nil {
			b.Fatal(err)
		}
	}
}
