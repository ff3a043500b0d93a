// SPDX-License-Identifier: MIT

package test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// A new user's first minute: one command, and mail arrives.
func TestUp(t *testing.T) {
	t.Parallel()
	s := up(t)
	t.Run("mail from outside arrives", func(t *testing.T) { testInbound(t, s) })
	t.Run("a submission arrives signed", func(t *testing.T) { testSubmission(t, s) })
	t.Run("what it refuses", func(t *testing.T) { testRefusals(t, s) })
	t.Run("posthouse send", func(t *testing.T) { testSend(t, s) })
	t.Run("started again it finds its files", func(t *testing.T) { testAgain(t, s) })
}

func testInbound(t *testing.T, s *stack) {
	const id = "inbound@example.test"
	message := letter(id, "you@example.test", s.user, ".a line with a dot\nlast")
	if err := deliver(s.addr(25), "you@example.test", s.user, message); err != nil {
		t.Fatal(err)
	}
	got := s.mailbox(t, id)
	for _, want := range []string{
		"Return-Path: <you@example.test>", "Delivered-To: ", "by mx.posthouse.test", "by drop.posthouse.test", "client.example.test",
		".a line with a dot", "last",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the message has no %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "..a line") {
		t.Error("dot-stuffing was not undone")
	}
}

func testSubmission(t *testing.T, s *stack) {
	const id = "submitted@posthouse.test"
	message := "Bcc: secret@example.test\r\n" + letter(id, s.user, s.user, "hello")
	if err := submit(s, s.user, s.user, message); err != nil {
		t.Fatal(err)
	}
	got := s.mailbox(t, id)
	if !strings.Contains(got, "DKIM-Signature: ") || !strings.Contains(got, "d=posthouse.test") {
		t.Errorf("not signed:\n%s", got)
	}
	if strings.Contains(got, "secret@example.test") {
		t.Error("Bcc was not removed")
	}
}

func testRefusals(t *testing.T, s *stack) {
	for _, c := range []struct {
		name, want string
		try        func() error
	}{
		{"unknown recipient", "550 5.1.1", func() error { return rcpt(s.addr(25), "nobody@posthouse.test") }},
		{"foreign domain", "554 5.7.1", func() error { return rcpt(s.addr(25), "someone@example.test") }},
		{"submission without TLS", "530 5.7.0", func() error { return rcpt(s.addr(587), s.user) }},
		{"wrong password", "535 5.7.8", func() error {
			wrong := *s
			wrong.password = "wrong"
			return submit(&wrong, s.user, s.user, "x")
		}},
	} {
		if err := c.try(); err == nil || !strings.HasPrefix(strings.ReplaceAll(err.Error(), `"`, ""), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

// rcpt asks whether a recipient would be taken, without sending.
func rcpt(address, to string) error {
	c, err := dial(address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Mail("you@example.test"); err != nil {
		return err
	}
	return c.Rcpt(to)
}

func testSend(t *testing.T, s *stack) {
	r := posthouse(t, s.dir, "send", "--config", filepath.Join(s.dir, "posthouse.yaml"), s.user)
	if r.code != 0 || !strings.Contains(r.out, "354") || !strings.Contains(r.out, "queued as") {
		t.Errorf("code %d, output:\n%s%s", r.code, r.out, r.err)
	}
	if strings.Contains(r.out+s.Log(), s.password) {
		t.Error("the password is shown")
	}
}

func testAgain(t *testing.T, s *stack) {
	if err := s.Stop(); err != nil {
		t.Fatalf("stopping: %v", err)
	}
	before := readFile(t, s.dir, "credentials")
	s.start(t)
	if readFile(t, s.dir, "credentials") != before {
		t.Error("the second start made new files")
	}
	if err := deliver(s.addr(25), "you@example.test", s.user, letter("again@example.test", "you@example.test", s.user, "x")); err != nil {
		t.Fatal(err)
	}
	s.mailbox(t, "again@example.test")
	s.Stop()
}

// What `up` prints is all that a new user has: where it listens, who may log in, what to try.
func TestUpSaysWhatToTry(t *testing.T) {
	t.Parallel()
	s := up(t)
	s.WaitLog(s.user)
	for _, want := range []string{s.addr(25), s.addr(587), s.addr(26), s.addr(80), "credentials", "posthouse send"} {
		s.WaitLog(want)
	}
	info, err := os.Stat(filepath.Join(s.dir, "credentials"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("credentials: %v, %v", info.Mode(), err)
	}
}

// The queue id is in the 250, in Received and in the log.
func TestQueueID(t *testing.T) {
	t.Parallel()
	s := up(t)
	c, err := dial(s.addr(25))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("you@example.test"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(s.user); err != nil {
		t.Fatal(err)
	}
	answer := rawData(t, c, letter("id@example.test", "you@example.test", s.user, "x"))
	id := regexp.MustCompile(`queued as (\S+)`).FindStringSubmatch(answer)
	if id == nil {
		t.Fatalf("no id in %q", answer)
	}
	if got := s.mailbox(t, "id@example.test"); !strings.Contains(got, "id "+id[1]) {
		t.Errorf("no Received with id %s:\n%s", id[1], got)
	}
	s.WaitLog(id[1])
}

// rawData sends a message and returns the text of the answer to the dot.
func rawData(t *testing.T, c client, message string) string {
	t.Helper()
	if err := c.Text.PrintfLine("DATA"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Text.ReadResponse(354); err != nil {
		t.Fatal(err)
	}
	w := c.Text.DotWriter()
	if _, err := w.Write([]byte(message)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	_, text, err := c.Text.ReadResponse(250)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Stopping tells idle clients 421 and ends without an error.
func TestStopTellsIdleClients(t *testing.T) {
	t.Parallel()
	s := up(t)
	c, err := dial(s.addr(25))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s.Signal(os.Interrupt)
	if code, text, err := c.Text.ReadResponse(421); err != nil {
		t.Errorf("an idle client saw %d %s, %v", code, text, err)
	}
	if err := s.Process.Wait(2 * maillab.Patience); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// A first start that fails leaves no folder: its ports would be those of the next start, whatever --port-base says then.
func TestUpOnATakenPort(t *testing.T) {
	t.Parallel()
	dir := room(t)
	base := maillab.FreeBase(t, standard...)
	taken, err := net.Listen("tcp", maillab.Local(base+80)) // the last that is opened
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	wrong(t, posthouse(t, dir, "up", "--port-base", strconv.Itoa(base)), taken.Addr().String(), "in use", "posthouse: hint: ", "--port-base")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A service with a user of its own starts without what it has no business to read: the passwords and DKIM keys of smtp-out.
func TestServiceReadsItsOwnFiles(t *testing.T) {
	t.Parallel()
	s := up(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sasl-users", "keys/posthouse.test.private"} {
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(s.dir, "posthouse.yaml")
	wrong(t, posthouse(t, s.dir, "smtp-out", "--config", config), "sasl-users", "keytable")
	in := start(t, s.dir, "smtp-in", "--config", config)
	waitReady(t, in, s.addr(80))
	if err := in.Stop(); err != nil {
		t.Errorf("smtp-in ended with %v", err)
	}
}
