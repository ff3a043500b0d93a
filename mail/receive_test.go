// SPDX-License-Identifier: MIT

package mail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"posthouse/reply"
)

func TestReceive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, raw, header, body string }{
		{"usual", "A: 1\r\nB: 2\r\n 3\r\n\r\nbody\r\n", "A: 1\r\nB: 2\r\n 3\r\n", "body\r\n"},
		{"blank before the colon", "A \t: 1\r\n\r\nbody\r\n", "A \t: 1\r\n", "body\r\n"},
		{"empty", "", "", ""},
		{"header only", "A: 1\r\n", "A: 1\r\n", ""},
		{"header cut off", "A: 1", "A: 1\r\n", ""},
		{"empty body", "A: 1\r\n\r\n", "A: 1\r\n", ""},
		{"no header", "\r\nbody\r\n", "", "body\r\n"},
		{"text first", "hello\r\nA: 1\r\n", "", "hello\r\nA: 1\r\n"},
		{"fold first", " hello\r\nA: 1\r\n", "", " hello\r\nA: 1\r\n"},
		{"text after fields", "A: 1\r\nhello\r\nB: 2\r\n", "A: 1\r\n", "hello\r\nB: 2\r\n"},
		{"mbox line", "From joe Sat Nov 21 04:00:00 2026\r\nA: 1\r\n\r\nbody\r\n", "X-Mailbox-Line: From joe Sat Nov 21 04:00:00 2026\r\nA: 1\r\n", "body\r\n"},
		{"quoted mbox line", ">From joe\r\n fold\r\nA: 1\r\n\r\n", "X-Mailbox-Line: >From joe\r\n fold\r\nA: 1\r\n", ""},
		{"no mbox line", "From : joe\r\n\r\n", "From : joe\r\n", ""},
		{"mbox line later", "A: 1\r\nFrom joe\r\n", "A: 1\r\n", "From joe\r\n"},
		{"no name", ": 1\r\n\r\n", "", ": 1\r\n\r\n"},
		{"blank fold stays", "A: 1\r\n \r\nB: 2\r\n\r\nx\r\n", "A: 1\r\n \r\nB: 2\r\n", "x\r\n"},
		{"body of empty lines", "A: 1\r\n\r\n\r\n\r\n", "A: 1\r\n", "\r\n\r\n"},
		{"large header", "A: " + strings.Repeat("x\r\n ", 40000) + "y\r\n\r\nbody\r\n", "A: " + strings.Repeat("x\r\n ", 40000) + "y\r\n", "body\r\n"},
		{"large body", "A: 1\r\n\r\n" + strings.Repeat("text\r\n", 40000), "A: 1\r\n", strings.Repeat("text\r\n", 40000)},
	} {
		for kind, r := range readers(c.raw) {
			var draft memory
			msg, arrival, err := Receive(r, &draft, Limits{})
			if err != nil {
				t.Errorf("%s, %s: %v", c.name, kind, err)
				continue
			}
			if got := msg.Header.String(); got != c.header || string(draft.Bytes) != c.body {
				t.Errorf("%s, %s: header %.60q, body %.60q", c.name, kind, got, draft.Bytes)
			}
			if arrival.Size != int64(len(c.raw)) {
				t.Errorf("%s: size %d, want %d", c.name, arrival.Size, len(c.raw))
			}
		}
	}
}

// readers are the ways in which the same bytes may come in. Byte by byte is for short messages.
func readers(raw string) map[string]io.Reader {
	all := map[string]io.Reader{
		"whole":    strings.NewReader(raw),
		"with EOF": iotest.DataErrReader(strings.NewReader(raw)),
		"halves":   iotest.HalfReader(strings.NewReader(raw)),
	}
	if len(raw) < 1000 {
		all["octets"] = iotest.OneByteReader(strings.NewReader(raw))
	}
	return all
}

func TestReceiveEightBit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw          string
		header, body bool
	}{
		{"A: 1\r\n\r\nplain text, long enough\r\n", false, false},
		{"A: ü\r\n\r\nplain\r\n", true, false},
		{"A: 1\r\n\r\n0123456789\xff\r\n", false, true},
		{"A: 1\r\n\r\n" + strings.Repeat("x", blockSize) + "\x80\r\n", false, true},
	} {
		_, a, err := Receive(strings.NewReader(c.raw), new(memory), Limits{})
		if err != nil || a.HeaderUTF8 != c.header || a.EightBit != c.body {
			t.Errorf("%.30q: %+v, %v", c.raw, a, err)
		}
	}
}

func TestReceiveLimits(t *testing.T) {
	t.Parallel()
	hop := "Received: from a by b; now\r\n"
	broken := errors.New("broken")
	lost := fmt.Errorf("connection lost: %w", io.EOF)
	for _, c := range []struct {
		name string
		r    io.Reader
		lim  Limits
		want error
	}{
		{"size just right", strings.NewReader("A: 1\r\n\r\n12"), Limits{Size: 10}, nil},
		{"size in body", strings.NewReader("A: 1\r\n\r\n123"), Limits{Size: 10}, reply.TooBig},
		{"size over blocks", strings.NewReader("A: 1\r\n\r\n" + strings.Repeat("x", 100_000)), Limits{Size: 99_000}, reply.TooBig},
		{"header just right", strings.NewReader("A: 1\r\n\r\n12"), Limits{Header: 6}, nil},
		{"header just right, dripping", iotest.OneByteReader(strings.NewReader("A: 1\r\n\r\n12")), Limits{Header: 6}, nil},
		{"header too big", strings.NewReader("A: 12\r\n\r\n12"), Limits{Header: 6}, reply.HeaderTooBig},
		{"header without end", endless(strings.Repeat("A: 1\r\n", 200)), Limits{}, reply.HeaderTooBig},
		{"one line without end", endless(strings.Repeat("A", 1000)), Limits{}, reply.HeaderTooBig},
		{"hops just right", strings.NewReader(strings.Repeat(hop, 100) + "\r\n"), Limits{}, nil},
		{"too many hops", strings.NewReader(strings.Repeat(hop, 101) + "\r\n"), Limits{}, reply.TooManyHops},
		{"hops in any case", strings.NewReader("RECEIVED : a\r\nreceived: b\r\n\r\n"), Limits{Hops: 1}, reply.TooManyHops},
		{"other names are no hops", strings.NewReader("Received-SPF: a\r\nreceived: b\r\n\r\n"), Limits{Hops: 1}, nil},
		{"hops in the body", strings.NewReader("A: 1\r\n\r\n" + hop + hop), Limits{Hops: 1}, nil},
		{"reader in header", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("A: 1\r\n"))), Limits{}, iotest.ErrTimeout},
		{"reader that gives nothing", endless(""), Limits{}, io.ErrNoProgress},
		{"EOF of a broken connection", io.MultiReader(strings.NewReader("A: 1\r\n\r\nx"), iotest.ErrReader(lost)), Limits{}, lost},
		{"reader in body", io.MultiReader(strings.NewReader("A: 1\r\n\r\nx"), iotest.ErrReader(broken)), Limits{}, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if msg, _, err := Receive(c.r, new(memory), c.lim); err != c.want || err != nil && msg != nil {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// endless repeats its text for ever, a bit of it a read.
type endless string

func (e endless) Read(p []byte) (int, error) { return copy(p, e), nil }

func TestReceiveDraftFails(t *testing.T) {
	t.Parallel()
	_, _, err := Receive(strings.NewReader("A: 1\r\n\r\nbody\r\n"), new(fullDraft), Limits{})
	if !errors.Is(err, reply.DiskFull) {
		t.Error(err)
	}
}

type fullDraft struct{ memory }

func (*fullDraft) Write([]byte) (int, error) { return 0, reply.DiskFull }

// nowhere is a draft that counts, so that the benchmarks measure Receive alone.
type nowhere struct {
	memory
	n int64
}

func (d *nowhere) Write(p []byte) (int, error) { d.n += int64(len(p)); return len(p), nil }

// Not parallel: it reads what the whole process has allocated.
func TestReceiveHoldsNoBody(t *testing.T) {
	raw := io.MultiReader(strings.NewReader("A: 1\r\n\r\n"), io.LimitReader(endless(strings.Repeat("line of a body\r\n", 200)), 40<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, a, err := Receive(raw, new(nowhere), Limits{})
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err != nil || a.Size < 40<<20 || used > 1<<20 {
		t.Errorf("%d octets took %d of memory, %v", a.Size, used, err)
	}
}

func FuzzReceive(f *testing.F) {
	for _, s := range []string{"A: 1\r\n\r\nbody\r\n", "text\r\n", " fold\r\n", "A: 1\r\n b\r\nB:2", "\r\n", "A :1\r\n\r\n\x80", ">From a\r\nB: 1\r\n\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var draft memory
		msg, arrival, err := Receive(strings.NewReader(raw), &draft, Limits{})
		if err != nil {
			return
		}
		if arrival.EightBit != !isASCII(string(draft.Bytes)) || arrival.HeaderUTF8 != msg.Header.EightBit() {
			t.Fatalf("%+v", arrival)
		}
		header := strings.TrimPrefix(msg.Header.String(), "X-Mailbox-Line: ")
		head, _ := strings.CutSuffix(strings.TrimPrefix(raw, "X-Mailbox-Line: "), string(draft.Bytes))
		if !strings.HasPrefix(header+"\r\n", strings.TrimSuffix(head, "\n")) {
			t.Fatalf("%q became %q and %q", raw, msg.Header.String(), draft.Bytes)
		}
		if again, err := ParseHeader(msg.Header.String()); err != nil || again.String() != msg.Header.String() {
			t.Fatalf("%q: %v", msg.Header.String(), err)
		}
	})
}

func BenchmarkReceive(b *testing.B) {
	header := strings.Repeat("Received: from mail.example.test (mail.example.test [192.0.2.1])\r\n\tby mx.example.test with ESMTP id 1\r\n", 3) +
		"From: a@example.test\r\nTo: b@example.test\r\nSubject: A test of speed\r\nDate: Sat, 21 Nov 2026 04:00:00 +0000\r\n\r\n"
	line := strings.Repeat("x", 70) + "\r\n"
	for _, size := range []int{4 << 10, 20 << 20} {
		raw := []byte(header + strings.Repeat(line, (size-len(header))/len(line)))
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				if _, _, err := Receive(bytes.NewReader(raw), new(nowhere), Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
