// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/queue/pebbledb"
)

// onDisk is a Manager over the real store.
func onDisk(t *testing.T, fs vfs.FS, c carrier, edit ...func(*Config)) (*lab, *pebbledb.Store) {
	t.Helper()
	store, err := pebbledb.Open("q", pebbledb.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, log: &lines{}, done: make(chan error, 1)}
	var cfg Config
	cfg.SetDefaults()
	for _, f := range edit {
		f(&cfg)
	}
	q, err := queue.New(t.Context(), cfg.Queue(queue.Options{Store: store, Destination: mail.Path.Domain}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	l.Manager = New(Options{Queue: q, Config: cfg, Hostname: "mx.ours.test", Upgrade: store.Upgrade,
		Log:   slog.New(slog.NewTextHandler(l.log, nil)),
		Route: func(*mail.Envelope, string) mail.Carrier { return c }})
	return l, store
}

func TestOverTheRealStore(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	tried := make(chan mail.Path, 10)
	l, store := onDisk(t, fs, func(_ context.Context, env *mail.Envelope) mail.Outcome {
		for _, r := range env.Recipients {
			tried <- r.To
		}
		if env.From.IsNull() || env.Recipients[0].To.Domain() == "busy.test" {
			return mail.All(len(env.Recipients), busy)
		}
		return mail.All(len(env.Recipients), gone)
	})
	l.send("a@from.test", "b@there.test", "c@busy.test")
	l.start()
	for range 3 { // the two, and the report
		<-tried
	}
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	l.Queue.Close()
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	// The same commands, while the service does not run.
	l, store = onDisk(t, fs, nil)
	defer store.Close()
	items, err := ask[Item](t, l.Manager, VerbList, Filter{})
	if err != nil || len(items) != 2 {
		t.Fatalf("%v, %+v", err, items)
	}
	if got := recipients(items); got[0] != "a@from.test" || got[1] != "c@busy.test" {
		t.Errorf("waiting: %v", got)
	}
	for _, it := range items {
		if it.State != "deferred" || it.Attempts != 1 || it.Reason == "" {
			t.Errorf("%+v", it)
		}
	}
	done, err := ask[Acted](t, l.Manager, VerbBounce, Filter{Recipient: "c@busy.test"})
	if err != nil || len(done) != 1 || done[0].Now != 1 {
		t.Errorf("%v, %+v", err, done)
	}
	if done, err = ask[Acted](t, l.Manager, VerbDelete, Filter{All: true}); err != nil || done[0].Now != 2 {
		t.Errorf("%v, %+v: want both reports deleted", err, done)
	}
	if items, err = ask[Item](t, l.Manager, VerbList, Filter{}); err != nil || len(items) != 0 {
		t.Errorf("%v, %+v", err, items)
	}
	if _, err := ask[Moved](t, l.Manager, VerbUpgrade, nil); err != nil {
		t.Error(err)
	}
}
