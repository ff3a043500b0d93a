// SPDX-License-Identifier: MIT

package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthouse/internal/durable"
	"posthouse/mail"
	"posthouse/reply"
)

func path(t *testing.T, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func envelope(t *testing.T, to ...string) *mail.Envelope {
	t.Helper()
	env := &mail.Envelope{From: path(t, `"a b"@from.test`)}
	for _, s := range to {
		env.Recipients = append(env.Recipients, mail.Recipient{To: path(t, s)})
	}
	return env
}

func message(t *testing.T, raw string) *mail.Message {
	t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader(raw), 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

const letter = "Return-Path: <forged@x.test>\nReceived: by x\nreturn-path: <b@x.test>\nSubject: Hi\n\nText.\n\n.\n"

func options(t *testing.T) (Options, string) {
	t.Helper()
	root := filepath.Join(t.TempDir(), "mail")
	return Options{Root: root, Hostname: "mx.test", Now: func() time.Time { return time.Unix(1_800_000_000, 5_000) }}, root
}

// files are the names in a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, f := range all {
		names = append(names, f.Name())
	}
	return names
}

func TestCarry(t *testing.T) {
	t.Parallel()
	o, root := options(t)
	out := New(o).Carry(t.Context(), envelope(t, "Joe+Lists@here.test"), message(t, letter))
	if err := out.Err(); err != nil || out[0].Status != mail.Delivered {
		t.Fatal(out)
	}
	box := filepath.Join(root, "joe", "Maildir")
	want := "Return-Path: <\"a b\"@from.test>\nDelivered-To: Joe+Lists@here.test\nReceived: by x\nSubject: Hi\n\nText.\n\n.\n"
	names := files(t, filepath.Join(box, "new"))
	if len(names) != 1 || len(files(t, filepath.Join(box, "tmp"))) != 0 || len(files(t, filepath.Join(box, "cur"))) != 0 {
		t.Fatal(names)
	}
	form := fmt.Sprintf(`^1800000000\.M000005R[A-Z2-7]+\.mx\.test,S=%d,W=%d$`, len(want), len(want)+strings.Count(want, "\n"))
	if !regexp.MustCompile(form).MatchString(names[0]) {
		t.Errorf("%s, want %s", names[0], form)
	}
	got, err := os.ReadFile(filepath.Join(box, "new", names[0]))
	if err != nil || string(got) != want {
		t.Errorf("%q, want %q, %v", got, want, err)
	}
}

func TestCarryModes(t *testing.T) {
	t.Parallel()
	o, root := options(t)
	if err := New(o).Carry(t.Context(), envelope(t, "joe@here.test"), message(t, letter)).Err(); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCarryEachRecipient(t *testing.T) {
	t.Parallel()
	o, root := options(t)
	o.User = func(p mail.Path) (string, bool) { return p.Local(), p.Domain() == "here.test" }
	env := envelope(t, "joe@here.test", "joe@else.test", `"../../up"@here.test`, `".."@here.test`, `"a/b"@here.test`, "joe@here.test", "Sue@here.test")
	srs := path(t, "srs@x.test")
	env.Recipients[6].Sender = &srs
	out := New(o).Carry(t.Context(), env, message(t, letter))
	for i, want := range []int{250, 550, 550, 550, 550, 250, 250} {
		if out[i].Reply.Code != want || (out[i].Status == mail.Delivered) != (want == 250) {
			t.Errorf("%s: %v", env.Recipients[i].To, out[i])
		}
	}
	if n := len(files(t, filepath.Join(root, "joe", "Maildir", "new"))); n != 2 {
		t.Errorf("%d messages", n)
	}
	if names := files(t, filepath.Dir(root)); len(names) != 1 {
		t.Errorf("beside the root: %s", names)
	}
	sue := filepath.Join(root, "Sue", "Maildir", "new")
	text, err := os.ReadFile(filepath.Join(sue, files(t, sue)[0]))
	if err != nil || !strings.HasPrefix(string(text), "Return-Path: <srs@x.test>\n") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestCarryLoop(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header string
		want   mail.Status
	}{
		{"Delivered-To: joe@here.test", mail.Failed},
		{"Delivered-To: other@here.test\r\nDelivered-To: JOE@Here.test", mail.Failed},
		{"Delivered-To: joe+x@here.test", mail.Delivered},
		{"Delivered-To: joe@else.test", mail.Delivered},
	} {
		o, root := options(t)
		out := New(o).Carry(t.Context(), envelope(t, "joe@here.test"), message(t, c.header+"\r\n\r\nx\r\n"))
		if out[0].Status != c.want || c.want == mail.Failed && !errors.Is(out.Err(), reply.MailLoop) {
			t.Errorf("%q: %v", c.header, out)
		}
		if stored := len(files(t, filepath.Join(root, "joe", "Maildir", "new"))) == 1; stored != (c.want == mail.Delivered) {
			t.Errorf("%q: stored %v", c.header, stored)
		}
	}
}

// The null sender is written too: a program that answers mail must see that it may not.
func TestCarryBounce(t *testing.T) {
	t.Parallel()
	o, root := options(t)
	env := envelope(t, "joe@here.test")
	env.From = mail.Path{}
	if err := New(o).Carry(t.Context(), env, message(t, letter)).Err(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "joe", "Maildir", "new")
	text, err := os.ReadFile(filepath.Join(dir, files(t, dir)[0]))
	if err != nil || !strings.HasPrefix(string(text), "Return-Path: <>\n") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestCarryLeavesTheMessageAlone(t *testing.T) {
	t.Parallel()
	o, _ := options(t)
	msg := message(t, letter)
	before := msg.Header.String()
	New(o).Carry(t.Context(), envelope(t, "joe@here.test", "sue@here.test"), msg)
	if msg.Header.String() != before {
		t.Errorf("%q", msg.Header.String())
	}
}

func TestCarryCancelled(t *testing.T) {
	t.Parallel()
	o, root := options(t)
	ctx, cancel := context.WithCancel(t.Context())
	msg := message(t, letter)
	msg.Body = &cancelling{msg.Body, cancel}
	out := New(o).Carry(ctx, envelope(t, "joe@here.test", "sue@here.test"), msg)
	if out[0].Status != mail.Unknown || out[1].Status != mail.Unknown || out.Err() == nil {
		t.Error(out)
	}
	for _, dir := range []string{"new", "tmp"} {
		if names := files(t, filepath.Join(root, "joe", "Maildir", dir)); len(names) != 0 {
			t.Errorf("%s holds %s", dir, names)
		}
	}
}

// cancelling ends the context when it is read.
type cancelling struct {
	mail.Body
	cancel context.CancelFunc
}

func (c *cancelling) Open() (io.ReadCloser, error) {
	c.cancel()
	return c.Body.Open()
}

func TestCarryBodyFails(t *testing.T) {
	t.Parallel()
	o, root := options(t)
	msg := message(t, letter)
	msg.Body = gone{}
	out := New(o).Carry(t.Context(), envelope(t, "joe@here.test"), msg)
	if out[0].Status != mail.Deferred || out[0].Reply.Code != 451 || len(files(t, filepath.Join(root, "joe", "Maildir", "tmp"))) != 0 {
		t.Error(out)
	}
}

type gone struct{}

func (gone) Open() (io.ReadCloser, error) { return nil, os.ErrNotExist }
func (gone) Size() int64                  { return 1 }

func TestLines(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\r\nb\r\n": "a\nb\n", "\r\n\r\n": "\n\n", "a\rb": "a\rb", "a\r": "a\r", "\r\r\n": "\r\n", "a\nb": "a\nb", "": "",
	} {
		for step := 1; step <= len(in)+1; step++ {
			var out strings.Builder
			w := &lines{ctx: t.Context(), w: &out}
			for at := 0; at < len(in); at += step {
				if n, err := w.Write([]byte(in[at:min(at+step, len(in))])); n == 0 || err != nil {
					t.Fatal(n, err)
				}
			}
			if err := w.end(); err != nil || out.String() != want || w.n != int64(len(want)) {
				t.Errorf("%q in steps of %d: %q, %d, %v", in, step, out.String(), w.n, err)
			}
		}
	}
}

// faulty is the real file system with a diary, whose operation number fail returns err.
type faulty struct {
	durable.FS
	fail int
	err  error
	log  []string
}

func (f *faulty) step(name string) error {
	f.log = append(f.log, name)
	if len(f.log) == f.fail {
		return f.err
	}
	return nil
}

func (f *faulty) Create(path string, perm fs.FileMode) (durable.File, error) {
	if err := f.step("create"); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(path, perm)
	if err != nil {
		return nil, err
	}
	return faultyFile{file, f}, nil
}

func (f *faulty) Rename(from, to string) error {
	if err := f.step("rename"); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

func (f *faulty) Mkdir(path string, perm fs.FileMode) error {
	if err := f.step("mkdir"); err != nil {
		return err
	}
	return f.FS.Mkdir(path, perm)
}

func (f *faulty) SyncDir(path string) error {
	if err := f.step("syncdir " + filepath.Base(path)); err != nil {
		return err
	}
	return f.FS.SyncDir(path)
}

type faultyFile struct {
	durable.File
	f *faulty
}

func (f faultyFile) Write(p []byte) (int, error) {
	if err := f.f.step("write"); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f faultyFile) Sync() error {
	if err := f.f.step("sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f faultyFile) Close() error { return errors.Join(f.f.step("close"), f.File.Close()) }

// The second message to a mailbox shows the order without the making of folders.
func TestCarryOrder(t *testing.T) {
	t.Parallel()
	o, _ := options(t)
	f := &faulty{FS: durable.OS}
	o.FS = f
	carrier, env, msg := New(o), envelope(t, "joe@here.test"), message(t, letter)
	if err := carrier.Carry(t.Context(), env, msg).Err(); err != nil {
		t.Fatal(err)
	}
	f.log = nil
	if err := carrier.Carry(t.Context(), env, msg).Err(); err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`(write,)+`).ReplaceAllString(strings.Join(f.log, ","), "write,")
	if want := "create,write,sync,close,rename,syncdir new"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Whatever fails, the recipient is tried again, nothing is left in tmp, and the next attempt succeeds.
func TestCarryEachStepFails(t *testing.T) {
	t.Parallel()
	for fail := 1; ; fail++ {
		o, root := options(t)
		f := &faulty{FS: durable.OS, fail: fail, err: syscall.ENOSPC}
		if fail%2 == 0 {
			f.err = syscall.EIO
		}
		o.FS = f
		carrier, env, msg := New(o), envelope(t, "joe@here.test"), message(t, letter)
		out := carrier.Carry(t.Context(), env, msg)
		if len(f.log) < fail {
			if out.Err() != nil || fail < 15 {
				t.Errorf("%d steps, %v", len(f.log), out)
			}
			return
		}
		step := fmt.Sprintf("step %d of %v", fail, f.log)
		if want := map[error]string{syscall.ENOSPC: "4.3.1", syscall.EIO: "4.3.0"}[f.err]; out[0].Status != mail.Deferred || out[0].Reply.Enhanced != want {
			t.Errorf("%s: %v", step, out)
		}
		if left := files(t, filepath.Join(root, "joe", "Maildir", "tmp")); len(left) != 0 {
			t.Errorf("%s leaves %s", step, left)
		}
		if err := carrier.Carry(t.Context(), env, msg).Err(); err != nil {
			t.Errorf("%s, and again: %v", step, err)
		}
	}
}

func BenchmarkCarry(b *testing.B) {
	env := &mail.Envelope{}
	p, _ := mail.ParseAddress("joe@here.test")
	env.Recipients = []mail.Recipient{{To: p}}
	msg := &mail.Message{Body: mail.Bytes(strings.Repeat("a line of text\r\n", 256))}
	carrier := New(Options{Root: b.TempDir(), Hostname: "mx.test"})
	b.ReportAllocs()
	for b.Loop() {
		if err := carrier.Carry(b.Context(), env, msg).Err(); err != nil {
			b.Fatal(err)
		}
	}
}
