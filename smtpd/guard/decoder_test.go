// SPDX-License-Identifier: MIT

package guard

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// decodeIn runs the decoder over wire, which arrives in pieces of the given size.
func decodeIn(p Policy, wire string, piece int) (text string, stray, end bool, rest string) {
	var d decoder
	d.start(p)
	var out bytes.Buffer
	var buf []byte
	for len(wire) > 0 || len(buf) > 0 {
		run, n, done := d.next(buf)
		out.Write(run)
		buf = buf[n:]
		if done {
			return out.String(), d.stray, true, string(buf) + wire
		}
		if n > 0 {
			continue
		}
		if len(wire) == 0 {
			break
		}
		m := min(piece, len(wire))
		buf = append(append([]byte(nil), buf...), wire[:m]...)
		wire = wire[m:]
	}
	return out.String(), d.stray, false, string(buf)
}

func TestDecoder(t *testing.T) {
	t.Parallel()
	cases := []struct {
		wire, text string // text "!" is refused
		rest       string
	}{
		{".\r\n", "", ""},
		{"a\r\n.\r\nNOOP\r\n", "a\r\n", "NOOP\r\n"},
		{"..\r\n.\r\n", ".\r\n", ""},
		{"...a\r\n..b\r\n.\r\n", "..a\r\n.b\r\n", ""},
		{".a\r\n.\r\n", "a\r\n", ""},
		{"a.\r\nb\r\n\r\n.\r\n", "a.\r\nb\r\n\r\n", ""},
		{"\r\n\r\n.\r\n", "\r\n\r\n", ""},
		{"\x00\xff\r\n.\r\n", "\x00\xff\r\n", ""},
		{"a\n.\n\r\n.\r\n", "!", ""},
		{".\n\r\n.\r\n", "!", ""},
		{".\rx\r\n.\r\n", "!", ""},
		{"\r\r\n.\r\nx", "!", "x"},
		{"a\r\n.\r\r\n.\r\nx", "!", "x"},
		{"\n.\r\n\r\n.\r\n", "!", ""},
	}
	for _, c := range cases {
		for piece := 1; piece <= len(c.wire); piece++ {
			text, stray, end, rest := decodeIn(Reject, c.wire, piece)
			if !end || rest != c.rest || stray != (c.text == "!") || !stray && text != c.text {
				t.Errorf("%q in pieces of %d: %q, stray %v, end %v, rest %q", c.wire, piece, text, stray, end, rest)
			}
		}
	}
}

func TestDecoderNormalize(t *testing.T) {
	t.Parallel()
	cases := []struct{ wire, text string }{
		{"a\nb\r\n.\r\n", "a\r\nb\r\n"},
		{"a\rb\r\n.\r\n", "a b\r\n"},
		{"a\r\r\n.\r\n", "a \r\n"},
		{"a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
		{"a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
		{"a\r\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
		{"a\n..b\r\n.\r\n", "a\r\n.b\r\n"},
		{"a\n\r\n.\r\n", "a\r\n\r\n"},
	}
	for _, c := range cases {
		for piece := 1; piece <= len(c.wire); piece++ {
			text, _, end, rest := decodeIn(Normalize, c.wire, piece)
			if !end || rest != "" || text != c.text {
				t.Errorf("%q in pieces of %d: %q, want %q, end %v, rest %q", c.wire, piece, text, c.text, end, rest)
			}
		}
	}
}

// FuzzDecoder compares with what the standard says in one line: the text ends at the first CRLF.CRLF, whatever else it holds.
func FuzzDecoder(f *testing.F) {
	f.Add("a\r\n.\r\nrest", 3, false)
	f.Add(".\r\n", 1, true)
	f.Add("x\n.\n\r\r\n..\r\n.\r\n", 2, true)
	stray := regexp.MustCompile(`(^|[^\r])\n|\r([^\n]|$)`)
	f.Fuzz(func(t *testing.T, wire string, piece int, normalize bool) {
		policy := Reject
		if normalize {
			policy = Normalize
		}
		text, lost, end, rest := decodeIn(policy, wire, max(1, piece%64))
		body, after, ended := strings.Cut("\r\n"+wire, "\r\n.\r\n")
		if end != ended || end && rest != after {
			t.Fatalf("%q: end %v, rest %q; want %v, %q", wire, end, rest, ended, after)
		}
		if !end {
			return
		}
		body = strings.TrimPrefix(body+"\r\n", "\r\n")
		if hasStray := stray.MatchString(body); !normalize && lost != hasStray {
			t.Fatalf("%q: refused %v, stray %v", wire, lost, hasStray)
		}
		if lost {
			return
		}
		if stray.MatchString(text) || text != "" && !strings.HasSuffix(text, "\r\n") {
			t.Fatalf("%q became %q", wire, text)
		}
		if !stray.MatchString(body) && text != unstuffed(body) {
			t.Fatalf("%q became %q, want %q", wire, text, unstuffed(body))
		}
	})
}

func unstuffed(body string) string {
	return strings.TrimPrefix(strings.ReplaceAll("\r\n"+body, "\r\n.", "\r\n"), "\r\n")
}

// BenchmarkDecoder shows that no text costs more than another: hostile ones stay linear.
func BenchmarkDecoder(b *testing.B) {
	texts := map[string]string{
		"text": strings.Repeat(strings.Repeat("x", 74)+"\r\n", 800),
		"dots": strings.Repeat(".\r.\r\n", 10000),
		"CRs":  strings.Repeat("\r", 60000),
		"LFs":  strings.Repeat("\n", 60000),
		"mix":  strings.Repeat("x\rx\n", 15000),
	}
	for name, text := range texts {
		for _, p := range []Policy{Reject, Normalize} {
			b.Run(fmt.Sprint(name, p), func(b *testing.B) {
				src := []byte(text)
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					var d decoder
					d.start(p)
					for rest := src; ; {
						_, n, _ := d.next(rest)
						if n == 0 {
							break
						}
						rest = rest[n:]
					}
				}
			})
		}
	}
}
