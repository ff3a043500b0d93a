// SPDX-License-Identifier: MIT

package pebbledb

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"
)

func path(t testing.TB, s string) mail.Path {
	t.Helper()
	p, err := mail.ParsePath(s, true)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fullEnvelope has every field set.
func fullEnvelope(t testing.TB) *mail.Envelope {
	srs := path(t, "<SRS0=abc=de=example.test=joe@cluster.test>")
	return &mail.Envelope{
		ID: "0123456789bcdfghjkmn", From: path(t, `<"a b"@example.test>`),
		Recipients: []mail.Recipient{
			{To: path(t, "<joe@example.test>"), Given: path(t, "<joe@example.test>"), Notify: mail.NotifySuccess | mail.NotifyDelay, ORcpt: "rfc822;joe@example.test"},
			{To: path(t, "<пост@example.test>"), Given: path(t, "<noc@example.test>"), Sender: &srs},
			{To: path(t, "<postmaster>"), Given: path(t, "<postmaster>")},
		},
		Client: mail.Client{
			Addr: netip.MustParseAddrPort("192.0.2.1:1234"), Server: netip.MustParseAddrPort("[2001:db8::1]:25"),
			Name: "mx.example.test", HELO: "mx", Protocol: "ESMTPS", TLS: "TLSv1.3 X", Login: "joe", Early: true,
		},
		Arrived: time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC), Size: 1 << 33,
		EightBit: true, UTF8: true, RequireTLS: true, Unauthenticated: true, Ret: "HDRS", EnvID: "x+y", Hold: "by rule 3",
	}
}

func TestEnvelopeComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]*mail.Envelope{"full": fullEnvelope(t), "empty": {ID: "x", Recipients: []mail.Recipient{}}} {
		got, err := parseEnvelope(e.ID, appendEnvelope(nil, e))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, e)
		}
	}
}

func fullRow() queue.Row {
	return queue.Row{
		ID: "0123456789bcdfghjkmn", N: 70000, Destination: "example.test", Held: true, Due: time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC),
		Attempts: 300, Delayed: true,
		Last: mail.Result{
			Status: mail.Deferred, Reply: reply.NoContact.With("try\nlater").Because(errors.New("refused")), Remote: "mx.example.test[192.0.2.1]:25",
			TLS: "TLSv1.3", DSN: true, HopDead: true,
		},
	}
}

func TestRowComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for _, row := range []queue.Row{fullRow(), {ID: "a", Destination: "d"}} {
		got, err := parseRow(row.ID, row.N, appendRow(nil, &row))
		if err != nil {
			t.Fatal(err)
		}
		if cause := row.Last.Reply.Cause; cause != nil && got.Last.Reply.Cause.Error() != cause.Error() {
			t.Errorf("cause is %v", got.Last.Reply.Cause)
		}
		row.Last.Reply.Cause, got.Last.Reply.Cause = nil, nil
		if !reflect.DeepEqual(got, row) {
			t.Errorf("\n got %+v\nwant %+v", got, row)
		}
	}
}

func TestKeysSortByTimeAndComeBack(t *testing.T) {
	t.Parallel()
	early := appendIndexKey(nil, "a.test", time.Unix(5, 0), "zz", 9)
	late := appendIndexKey(nil, "a.test", time.Unix(6, 0), "aa", 1)
	if string(early) >= string(late) {
		t.Error("the later row comes first")
	}
	e, err := parseIndexKey(late)
	if want := (indexEntry{"a.test", time.Unix(6, 0).UTC(), "aa", 1}); err != nil || e != want {
		t.Errorf("got %+v, %v", e, err)
	}
	id, n, err := parseRowKey(appendRowKey(nil, "aa", 258))
	if id != "aa" || n != 258 || err != nil {
		t.Errorf("got %s %d %v", id, n, err)
	}
}

// A damaged record is an error, never a panic, an endless loop or a great allocation.
func FuzzRecords(f *testing.F) {
	row := fullRow()
	f.Add(appendEnvelope(nil, fullEnvelope(f)))
	f.Add(appendRow(nil, &row))
	f.Add(append(messageHead(nil, 3, "", 4), "abcdefg"...))
	f.Add(append(messageHead(nil, 3, newBodyName(), 4), "abc"...))
	f.Add(appendIndexKey(nil, "a.test", row.Due, row.ID, row.N))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := parseEnvelope("x", b); err == nil {
			again, err := parseEnvelope("x", appendEnvelope(nil, e))
			if err != nil || !reflect.DeepEqual(again, e) {
				t.Errorf("%+v came back as %+v: %v", e, again, err)
			}
		}
		if r, err := parseRow("x", 1, b); err == nil {
			if _, err := parseRow("x", 1, appendRow(nil, &r)); err != nil {
				t.Error(err)
			}
		}
		_, _ = parseMessage("x", b)
		_ = bodyFileOf(b)
		_, _ = parseIndexKey(b)
		_, _, _ = parseRowKey(b)
	})
}
