// SPDX-License-Identifier: MIT

package delivery

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthouse/mail"
	"posthouse/reply"
)

// reader is a next hop that takes what it can read, and shows reports.
type reader chan string

func (r reader) Carry(_ context.Context, env *mail.Envelope, msg *mail.Message) mail.Outcome {
	in, err := msg.Open()
	if err != nil {
		return mail.All(len(env.Recipients), mail.Result{Status: mail.Deferred, Reply: reply.LocalError.Because(err)})
	}
	defer in.Close()
	text, err := io.ReadAll(in)
	if err != nil {
		return nil
	}
	r <- string(text)
	return mail.All(len(env.Recipients), mail.Result{Status: mail.Relayed, Reply: reply.OK})
}

// TestLostBodyFileIsReportedByItsHeader: what is left of a message goes back to its sender when its time is up.
func TestLostBodyFileIsReportedByItsHeader(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	shown := make(reader, 1)
	l, store := onDisk(t, fs, nil)
	defer store.Close()
	l.Route = func(*mail.Envelope, string) mail.Carrier { return shown }
	msg := &mail.Message{Body: mail.Bytes(bytes.Repeat([]byte("0123456789abcdef\r\n"), 100_000))}
	msg.Header.Append("Subject: the one that was lost\r\n")
	to := path(t, "b@there.test")
	env := &mail.Envelope{ID: mail.NewID(time.Now()), From: path(t, "a@from.test"), Arrived: time.Now().Add(-6 * 24 * time.Hour),
		Recipients: []mail.Recipient{{To: to, Given: to}}}
	if err := l.Queue.Carry(t.Context(), env, msg).Err(); err != nil {
		t.Fatal(err)
	}
	if n := removeBodies(t, fs, "q"); n != 1 {
		t.Fatalf("removed %d body files", n)
	}
	l.start()
	report := <-shown
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Action: failed", "Final-Recipient: rfc822;b@there.test", "Subject: the one that was lost"} {
		if !strings.Contains(report, want) {
			t.Errorf("no %s in\n%s", want, report)
		}
	}
}

// removeBodies removes what is large enough to be the body.
func removeBodies(t *testing.T, fs vfs.FS, dir string) (n int) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		at := fs.PathJoin(dir, name)
		info, err := fs.Stat(at)
		switch {
		case err != nil:
			t.Fatal(err)
		case info.IsDir():
			n += removeBodies(t, fs, at)
		case info.Size() == 1_800_000:
			if err := fs.Remove(at); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	return n
}
