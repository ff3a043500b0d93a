// SPDX-License-Identifier: MIT

package test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// waiting is a line of `queue list --json`: only what the test looks at.
type waiting struct {
	ID string `json:"id"`
	To string `json:"recipient"`
}

// list asks for the queue.
func (r *relay) list(t *testing.T) []waiting {
	t.Helper()
	got := r.command(t, "queue", "list", "--json")
	if got.code != 0 {
		t.Fatalf("queue list: %s", got.err)
	}
	var all []waiting
	for d := json.NewDecoder(strings.NewReader(got.out)); d.More(); {
		var w waiting
		if err := d.Decode(&w); err != nil {
			t.Fatalf("%v in %s", err, got.out)
		}
		all = append(all, w)
	}
	return all
}

// An operator lists, holds, releases, deletes and retries against the running service.
func TestQueueCommands(t *testing.T) {
	t.Parallel()
	down := maillab.Local(maillab.FreePort(t))
	r := newRelay(t, room(t), down, "")
	r.start(t)
	for n := range 3 {
		id := fmt.Sprintf("%d@queue.test", n)
		to := fmt.Sprintf("r%d@sink.test", n)
		if err := deliver(r.address, "a@queue.test", to, letter(id, "a@queue.test", to, "x")); err != nil {
			t.Fatal(err)
		}
	}
	all := r.list(t)
	if len(all) != 3 {
		t.Fatalf("3 messages wait, the list has %v", all)
	}
	ids := map[string]string{}
	for _, w := range all {
		ids[strings.Trim(w.To, "<>")] = w.ID
	}
	for _, args := range [][]string{
		{"queue", "show", ids["r0@sink.test"]}, {"queue", "hold", ids["r0@sink.test"]}, {"queue", "delete", ids["r1@sink.test"]},
	} {
		if got := r.command(t, args...); got.code != 0 {
			t.Fatalf("%v: %s", args, got.err)
		}
	}
	ln, err := net.Listen("tcp", down)
	if err != nil {
		t.Fatal(err)
	}
	sink := maillab.NewSink(t, maillab.SinkOptions{Listener: ln})
	r.command(t, "queue", "retry", "--all")
	waitAllTaken(t, sink, []string{"2@queue.test"})
	if sink.Taken("<0@queue.test>") != 0 || sink.Taken("<1@queue.test>") != 0 {
		t.Error("held or deleted mail went out")
	}
	if got := r.command(t, "queue", "release", ids["r0@sink.test"]); got.code != 0 {
		t.Fatalf("release: %s", got.err)
	}
	waitAllTaken(t, sink, []string{"0@queue.test"})
	maillab.Wait(t, maillab.Patience, "empty queue", func() bool { return len(r.list(t)) == 0 })
}
