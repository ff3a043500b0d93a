// SPDX-License-Identifier: MIT

package smtpclient

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// sinkConn keeps what is written to it.
type sinkConn struct {
	net.Conn
	bytes.Buffer
	writes int
}

func (c *sinkConn) Write(p []byte) (int, error)      { c.writes++; return c.Buffer.Write(p) }
func (c *sinkConn) Read(p []byte) (int, error)       { return 0, io.EOF }
func (c *sinkConn) SetWriteDeadline(time.Time) error { return nil }

// stuff sends text in pieces of n octets, through a buffer of size octets, and gives what went out.
func stuff(text string, n, size int) (string, int) {
	conn := new(sinkConn)
	s := &stuffer{wire: &wire{conn: conn}, limit: time.Hour, until: time.Now().Add(time.Hour), buf: make([]byte, 0, size), lineStart: true}
	for len(text) > 0 {
		piece := text[:min(n, len(text))]
		s.Write([]byte(piece))
		text = text[len(piece):]
	}
	s.end()
	return conn.String(), conn.writes
}

func TestDots(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                      "\r\n.\r\n",
		".":                     "..\r\n.\r\n",
		"a\r\n":                 "a\r\n.\r\n",
		"a":                     "a\r\n.\r\n",
		".\r\n":                 "..\r\n.\r\n",
		"..\r\n.a\r\n":          "...\r\n..a\r\n.\r\n",
		"a\r\n.\r\nb.c\r\n":     "a\r\n..\r\nb.c\r\n.\r\n",
		"a\n.\nb\r\n":           "a\n..\nb\r\n.\r\n",
		"a\r\n\r\n.\r\n.\r\n":   "a\r\n\r\n..\r\n..\r\n.\r\n",
		"a\r":                   "a\r\r\n.\r\n",
		"x.\r\n.y\r\n.\r\n.z..": "x.\r\n..y\r\n..\r\n..z..\r\n.\r\n",
	} {
		for _, size := range []int{4, 7, 64} {
			for n := 1; n <= 8; n++ {
				if got, _ := stuff(in, n, size); got != want {
					t.Errorf("%q in pieces of %d through %d: %q, want %q", in, n, size, got, want)
				}
			}
		}
	}
}

func TestLargeStretchesGoOutAsTheyAre(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789\r\n", 100_000)
	if _, writes := stuff(text, len(text), blockSize); writes > len(text)/blockSize+2 {
		t.Errorf("%d writes", writes)
	}
}

// FuzzDots: whatever lines go in come out again at a reader that follows the RFC, and nothing ends the message but its end.
func FuzzDots(f *testing.F) {
	f.Add([]byte(".a\r\n..\r\n"), uint8(3), uint8(5))
	f.Add([]byte("\n.\n.\r\n"), uint8(1), uint8(4))
	f.Fuzz(func(t *testing.T, in []byte, n, size uint8) {
		text := strings.ReplaceAll(strings.ReplaceAll(string(in), "\r", ""), "\n", "\r\n")
		out, _ := stuff(text, int(n)+1, int(size)+4)
		back, err := io.ReadAll(textproto.NewReader(bufio.NewReader(strings.NewReader(out + "QUIT\r\n"))).DotReader())
		if err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(text, "\r\n", "\n")
		if !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		if string(back) != want {
			t.Errorf("%q became %q", want, back)
		}
	})
}
