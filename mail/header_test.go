// SPDX-License-Identifier: MIT

package mail

import (
	"slices"
	"strings"
	"testing"
)

const sample = "Received: by a\r\nFrom: a@x.test\r\nSubject: one\r\n\ttwo\r\n  three \r\nX-A: 1\r\nx-a : 2\r\nX-Ab: 3\r\nEmpty:\r\n"

func parse(t *testing.T, raw string) Header {
	t.Helper()
	h, err := ParseHeader(raw)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHeaderReads(t *testing.T) {
	t.Parallel()
	h := parse(t, sample)
	if len(h.Fields()) != 7 || h.String() != sample || h.Size() != int64(len(sample)) || h.EightBit() {
		t.Errorf("%q", h.Fields())
	}
	if got := h.Get("SUBJECT"); got != "one\ttwo  three" {
		t.Errorf("%q", got)
	}
	if got := h.Values("X-A"); !slices.Equal(got, []string{"1", "2"}) || h.Count("x-A") != 2 {
		t.Errorf("%q", got)
	}
	if !h.Has("empty") || h.Get("empty") != "" || h.Has("X") || h.Has("From: a") || h.Get("none") != "" {
		t.Error("presence")
	}
	if name := h.Fields()[4].Name(); name != "x-a" {
		t.Errorf("%q", name)
	}
	if !parse(t, "A: \xc3\xbc\r\n").EightBit() {
		t.Error("8-bit")
	}
}

func TestParseHeaderRefuses(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"text\r\n", " fold\r\nA: 1\r\n", "A: 1\r\n\r\n", "A: 1\r\ntext\r\n", ": 1\r\n", "A B: 1\r\n", "\x00A: 1\r\n", "\r\n"} {
		if h, err := ParseHeader(raw); err == nil {
			t.Errorf("%q: %q", raw, h.Fields())
		}
	}
}

func TestHeaderEdits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(*Header)
		want string
	}{
		{"prepend", func(h *Header) { h.Prepend("N: 1\r\n", "N: 2\r\n") }, "N: 1|N: 2|A: 1|B: 2|A: 3"},
		{"append", func(h *Header) { h.Append("N: 1\r\n") }, "A: 1|B: 2|A: 3|N: 1"},
		{"insert at the top", func(h *Header) { h.Insert(0, "N: 1\r\n") }, "N: 1|A: 1|B: 2|A: 3"},
		{"insert inside", func(h *Header) { h.Insert(2, "N: 1\r\n") }, "A: 1|B: 2|N: 1|A: 3"},
		{"insert beyond", func(h *Header) { h.Insert(9, "N: 1\r\n") }, "A: 1|B: 2|A: 3|N: 1"},
		{"insert before", func(h *Header) { h.Insert(-1, "N: 1\r\n") }, "N: 1|A: 1|B: 2|A: 3"},
		{"remove", func(h *Header) { h.Remove("a") }, "B: 2"},
		{"remove none", func(h *Header) { h.Remove("n") }, "A: 1|B: 2|A: 3"},
		{"replace", func(h *Header) { h.Replace("a", 2, "N: 1\r\n") }, "A: 1|B: 2|N: 1"},
		{"replace by nothing", func(h *Header) { h.Replace("A", 1, "") }, "B: 2|A: 3"},
		{"replace none", func(h *Header) { h.Replace("A", 3, "N: 1\r\n") }, "A: 1|B: 2|A: 3"},
		{"replace the noughth", func(h *Header) { h.Replace("A", 0, "N: 1\r\n") }, "A: 1|B: 2|A: 3"},
	} {
		const raw = "A: 1\r\nB: 2\r\nA: 3\r\n"
		h := parse(t, raw)
		before := h
		c.edit(&h)
		if got := strings.TrimSuffix(strings.ReplaceAll(h.String(), "\r\n", "|"), "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if before.String() != raw {
			t.Errorf("%s shows in a copy: %q", c.name, before.String())
		}
	}
}

// Two copies that both grow must not write into the same spare room.
func TestHeaderCopiesGrowApart(t *testing.T) {
	t.Parallel()
	var h Header
	h.Append("A: 1\r\n")
	one, two := h, h
	one.Append("B: 1\r\n")
	two.Append("C: 1\r\n")
	if one.String() != "A: 1\r\nB: 1\r\n" || two.String() != "A: 1\r\nC: 1\r\n" {
		t.Errorf("%q %q", one.String(), two.String())
	}
}

func TestNewField(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, value, want string }{
		{"A", "b", "A: b\r\n"},
		{"A", " b\r\n", "A: b\r\n"},
		{"A", "b\r\n\tc\r\n d", "A: b\r\n\tc\r\n d\r\n"},
		{"A", "b\r\nBcc: c", "A: b Bcc: c\r\n"},
		{"A", "b\nBcc: c\rd", "A: b Bcc: c d\r\n"},
		{"A", "b\r\n \r\n\r\nBcc: c", "A: b Bcc: c\r\n"},
		{"A", "b\r\n\t\r\n c", "A: b\r\n c\r\n"},
		{"A", "b\r\n\r\n c", "A: b\r\n c\r\n"},
		{"A", "b\x00c\x7fd\te", "A: b c d\te\r\n"},
		{"A", "b\r\r\n\nc", "A: b \r\n c\r\n"},
		{"A", "ü", "A: ü\r\n"},
		{"A:\r\nB", "c", "AB: c\r\n"},
		{"\n", "c", "X-Unnamed: c\r\n"},
	} {
		f := NewField(c.name, c.value)
		if string(f) != c.want {
			t.Errorf("%q, %q: %q, want %q", c.name, c.value, f, c.want)
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	for _, s := range []string{sample, "A: 1", "A:\r\n \r\n\t\r\n", "\r\n", "a b:\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		h, err := ParseHeader(raw)
		if err != nil {
			return
		}
		if got := h.String(); strings.TrimSuffix(got, "\r\n") != strings.TrimSuffix(strings.TrimSuffix(raw, "\r\n"), "\r") {
			t.Fatalf("%q became %q", raw, got)
		}
		for _, field := range h.Fields() {
			if !h.Has(field.Name()) || strings.ContainsAny(field.Value(), "\r\n") {
				t.Fatalf("%q: name %q, value %q", field, field.Name(), field.Value())
			}
		}
	})
}

func FuzzNewField(f *testing.F) {
	f.Add("A", "b\r\n\tc")
	f.Add("A B", "\r\n\r\nx")
	f.Fuzz(func(t *testing.T, name, value string) {
		field := NewField(name, value)
		h, err := ParseHeader(string(field))
		if err != nil || len(h.Fields()) != 1 || strings.Count(string(field), "\n") != strings.Count(string(field), "\r\n") {
			t.Fatalf("%q, %v", field, err)
		}
	})
}
