// SPDX-License-Identifier: MIT

package smtpd

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"posthouse/internal/listen"
	"posthouse/mail"
)

// null is a Service that takes everything and keeps nothing.
type null struct{}

func (null) Connect(context.Context, *mail.Client) (Session, error)    { return null{}, nil }
func (null) Mail(context.Context, *mail.Envelope) (Transaction, error) { return null{}, nil }
func (null) Rcpt(context.Context, mail.Recipient) error                { return nil }
func (null) Data(context.Context) error                                { return nil }
func (null) Message(context.Context, *mail.Message) error              { return nil }
func (null) Close()                                                    {}
func (null) Create() (mail.Draft, error)                               { return nullDraft{}, nil }

type nullDraft struct{}

func (nullDraft) Write(p []byte) (int, error)  { return len(p), nil }
func (nullDraft) Open() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }
func (nullDraft) Size() int64                  { return 0 }
func (nullDraft) Discard()                     {}

func benchServer(b *testing.B) string {
	b.Helper()
	o := Options{Name: "bench", Service: null{}, Spool: null{}, Config: testConfig()}
	o.Config.ClientConnectionCountLimit = 0
	s, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	var c listen.Config
	if err := c.UnmarshalScalar("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	l, err := listen.Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	go s.Serve(l, c)
	b.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	return l.Addr().String()
}

// BenchmarkMessage is a message on a fresh connection, client and server in one process.
func BenchmarkMessage(b *testing.B) {
	for _, size := range []int{4 << 10, 100 << 10, 20 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			addr := benchServer(b)
			text := strings.Repeat(strings.Repeat("x", 74)+"\r\n", size/76) + ".\r\n"
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				oneMessage(b, addr, text)
			}
		})
	}
}

func oneMessage(b *testing.B, addr, text string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 512)
	await := func(n int) {
		for range n {
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					b.Fatal(err)
				}
				if line[3] == ' ' {
					break
				}
			}
		}
	}
	await(1)
	for _, s := range []string{"EHLO c.test\r\n", "MAIL FROM:<a@c.test>\r\n", "RCPT TO:<b@o.test>\r\n", "DATA\r\n", text, "QUIT\r\n"} {
		if _, err := io.WriteString(conn, s); err != nil {
			b.Fatal(err)
		}
		await(1)
	}
}

// BenchmarkIdle is the memory of one idle session in its server's process: both ends are in this one, the client's a bare socket.
func BenchmarkIdle(b *testing.B) {
	addr := benchServer(b)
	before := pss(b)
	var conns []net.Conn
	for b.Loop() {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, conn)
		buf := make([]byte, 512)
		_, _ = conn.Read(buf)
		_, _ = io.WriteString(conn, "EHLO c.test\r\n")
		_, _ = conn.Read(buf)
	}
	b.ReportMetric(float64(pss(b)-before)/float64(len(conns)), "PSS-bytes/session")
	for _, c := range conns {
		c.Close()
	}
}

// pss is the proportional set size of this process.
func pss(b *testing.B) int64 {
	f, err := os.Open("/proc/self/smaps_rollup")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kb int64
		if n, _ := fmt.Sscanf(s.Text(), "Pss: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	b.Fatal("no PSS")
	return 0
}
