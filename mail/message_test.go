// SPDX-License-Identifier: MIT

package mail

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"posthouse/reply"
)

// reading is a body without a WriteTo of its own.
type reading string

func (b reading) Open() (io.ReadCloser, error) {
	return io.NopCloser(iotest.HalfReader(strings.NewReader(string(b)))), nil
}
func (b reading) Size() int64 { return int64(len(b)) }

func TestMessageOpen(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("line\r\n", 20000)
	for _, body := range []Body{Bytes(long), reading(long), Bytes(nil)} {
		text, _ := io.ReadAll(open(t, body))
		msg := &Message{Header: parse(t, "A: 1\r\nB: 2\r\n"), Body: body}
		want := "A: 1\r\nB: 2\r\n\r\n" + string(text)
		if msg.Size() != int64(len(want)) {
			t.Errorf("size %d", msg.Size())
		}
		if err := iotest.TestReader(open(t, opener(msg.Open)), []byte(want)); err != nil {
			t.Error(err)
		}
		var out bytes.Buffer
		r := open(t, opener(msg.Open))
		io.ReadFull(r, make([]byte, 3)) // what was read is not written again
		n, err := r.(io.WriterTo).WriteTo(&out)
		if err != nil || out.String() != want[3:] || n != int64(len(want)-3) || r.Close() != nil {
			t.Errorf("%d, %v: %.40q", n, err, out.String())
		}
	}
}

type opener func() (io.ReadCloser, error)

func (o opener) Open() (io.ReadCloser, error) { return o() }

func open(t *testing.T, b interface{ Open() (io.ReadCloser, error) }) io.ReadCloser {
	t.Helper()
	r, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type broken struct{}

func (broken) Open() (io.ReadCloser, error) { return nil, io.ErrClosedPipe }
func (broken) Size() int64                  { return 0 }
func (broken) Write([]byte) (int, error)    { return 0, io.ErrClosedPipe }

func TestMessageOpenFails(t *testing.T) {
	t.Parallel()
	if _, err := (&Message{Body: broken{}}).Open(); err != io.ErrClosedPipe {
		t.Error(err)
	}
	r := open(t, opener((&Message{Body: Bytes("x")}).Open))
	if _, err := r.(io.WriterTo).WriteTo(broken{}); err != io.ErrClosedPipe {
		t.Error(err)
	}
}

func TestReadMessage(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"A: 1\n b\n\nbody\n.\n", "A: 1\r\n b\r\n\r\nbody\r\n.\r\n", "A: 1\n b\r\n\nbody\r\n."} {
		msg, err := ReadMessage(strings.NewReader(raw), 50)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := io.ReadAll(open(t, opener(msg.Open))); string(text) != "A: 1\r\n b\r\n\r\nbody\r\n.\r\n" {
			t.Errorf("%q", text)
		}
	}
	if _, err := ReadMessage(strings.NewReader("A: 1\n\nbody"), 9); !errors.Is(err, reply.TooBig) {
		t.Error(err)
	}
	if _, err := ReadMessage(iotest.ErrReader(io.ErrNoProgress), 9); err != io.ErrNoProgress {
		t.Error(err)
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	var ids []ID
	for i := range 1000 {
		ids = append(ids, NewID(now.Add(time.Duration(i)*time.Microsecond)))
	}
	if !slices.IsSorted(ids) || len(ids[0]) != 20 {
		t.Error("not in order")
	}
	if a, b := NewID(now), NewID(now); a == b || !a.Valid() {
		t.Error(a, b)
	}
	for _, id := range []ID{"", ids[0][1:], ids[0] + "0", "../" + ids[0][3:], "a" + ids[0][1:]} {
		if id.Valid() {
			t.Errorf("%q is valid", id)
		}
	}
}

func TestOutcomeErr(t *testing.T) {
	t.Parallel()
	good := Result{Status: Delivered, Reply: reply.OK}
	for _, c := range []struct {
		name string
		o    Outcome
		want error
	}{
		{"empty", nil, reply.LocalError},
		{"good", Outcome{good, {Status: Relayed}}, nil},
		{"first failure", Outcome{good, {Status: Deferred, Reply: reply.DiskFull}, {Status: Failed, Reply: reply.UnknownUser}}, reply.DiskFull},
		{"unknown", All(2, Result{}), reply.LocalError},
		{"a failure never says 250", All(1, Result{Status: Failed, Reply: reply.OK}), reply.LocalError},
	} {
		if err := c.o.Err(); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestStatusString(t *testing.T) {
	t.Parallel()
	var words []string
	for s := range Failed + 2 {
		words = append(words, s.String())
	}
	if got := strings.Join(words, " "); got != "unknown delivered relayed deferred failed unknown" {
		t.Error(got)
	}
}
