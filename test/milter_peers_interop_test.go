// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// smtp-in does with an infected message what its administrator has told clamav-milter: refuse, hold or throw away.
func TestSMTPInAsksClamAV(t *testing.T) {
	t.Parallel()
	filters := maillab.ClamAV(t, "OnInfected Reject\nRejectMsg Infected with %v", "OnInfected Quarantine", "OnInfected Blackhole")
	sinks, services := make([]*maillab.Sink, len(filters)), make([]*forwarder, len(filters))
	for i, address := range filters {
		sinks[i] = maillab.NewSink(t, maillab.SinkOptions{})
		services[i] = newFiltered(t, sinks[i], fmt.Sprintf("[{address: %q}]", address))
		if err := services[i].bring(t, strangersLetter("clean", "X-Virus-Scanned: by nobody\r\n", "Good morning.")); err != nil {
			t.Fatalf("clean: %v", err)
		}
		got := sinks[i].Wait(t, 1)[0].Data
		if strings.Count(got, "X-Virus-Scanned: ") != 1 || strings.Contains(got, "by nobody") || !strings.Contains(got, "X-Virus-Status: Clean") {
			t.Errorf("clean, %d: it arrived as\n%s", i, got)
		}
	}
	infected := strangersLetter("infected", "", maillab.Virus)
	t.Run("reject", func(t *testing.T) {
		if err := services[0].bring(t, infected); !refusedWith(err, 550, "5.7.1 Infected with "+maillab.VirusName) {
			t.Errorf("%v", err)
		}
		services[0].nothingOf(t, sinks[0], "infected")
	})
	t.Run("quarantine", func(t *testing.T) { testQuarantined(t, services[1], sinks[1], infected) })
	t.Run("blackhole", func(t *testing.T) {
		if err := services[2].bring(t, infected); err != nil {
			t.Errorf("%v", err)
		}
		services[2].WaitLog(`"status":"discarded"`)
		services[2].nothingOf(t, sinks[2], "infected")
	})
}

// testQuarantined: what a filter has put aside waits until the operator lets it go, and then arrives as the filter left it.
func testQuarantined(t *testing.T, f *forwarder, sink *maillab.Sink, infected string) {
	if err := f.bring(t, infected); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(f.command(t, "queue", "list").out, "\n")
	if len(lines) < 2 || !strings.Contains(lines[1], " held ") || !strings.Contains(lines[1], "quarantined by clamav-milter") {
		t.Fatalf("queue list: %q", lines)
	}
	if got := f.command(t, "queue", "retry", "--all"); got.code != 0 {
		t.Fatalf("retry: %s", got.err)
	}
	if err := f.bring(t, strangersLetter("later", "", "Good morning.")); err != nil {
		t.Fatal(err)
	}
	waitAllTaken(t, sink, []string{"later@sender.test"})
	if sink.Taken("<infected@sender.test>") != 0 {
		t.Fatal("what is held went out")
	}
	if got := f.command(t, "queue", "release", f.list(t)[0].ID); got.code != 0 {
		t.Fatalf("release: %s", got.err)
	}
	waitAllTaken(t, sink, []string{"infected@sender.test"})
	all := sink.Messages()
	if last := all[len(all)-1].Data; !strings.Contains(last, "X-Virus-Status: Infected") || !strings.Contains(last, maillab.VirusName) {
		t.Errorf("it arrived as\n%s", last)
	}
}

// nothingOf: a message is neither in the queue nor at the sink, where one that came later has arrived.
func (f *forwarder) nothingOf(t *testing.T, sink *maillab.Sink, id string) {
	t.Helper()
	if err := f.bring(t, strangersLetter("later", "", "Good morning.")); err != nil {
		t.Fatal(err)
	}
	waitAllTaken(t, sink, []string{"later@sender.test"})
	if sink.Taken("<"+id+"@sender.test>") != 0 {
		t.Error("it went out")
	}
	maillab.Wait(t, maillab.Patience, "empty queue", func() bool { return len(f.list(t)) == 0 })
}

// smtp-in shows SpamAssassin what comes: it tags, and refuses what is worse.
func TestSMTPInAsksSpamAssassin(t *testing.T) {
	t.Parallel()
	spam := strangersLetter("spam", "X-Spam-Flag: NO\r\n", maillab.GTUBE)
	t.Run("tags", func(t *testing.T) {
		t.Parallel()
		sink := maillab.NewSink(t, maillab.SinkOptions{})
		f := newFiltered(t, sink, fmt.Sprintf("[{address: %q}]", maillab.SpamAssassin(t)))
		for i, raw := range []string{strangersLetter("ham", "", "Good morning."), spam} {
			if err := f.bring(t, raw); err != nil {
				t.Fatal(err)
			}
			got := sink.Wait(t, i+1)[i].Data
			for _, want := range [][]string{{"X-Spam-Status: No"}, {"X-Spam-Status: Yes", "X-Spam-Flag: YES", "GTUBE"}}[i] {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			if strings.Contains(got, "X-Spam-Flag: NO") {
				t.Errorf("the sender's own word stands:\n%s", got)
			}
		}
	})
	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		sink := maillab.NewSink(t, maillab.SinkOptions{})
		f := newFiltered(t, sink, fmt.Sprintf("[{address: %q}]", maillab.SpamAssassin(t, "-r", "15")))
		if err := f.bring(t, spam); !refusedWith(err, 550, "5.7.1 ") {
			t.Errorf("%v", err)
		}
		f.nothingOf(t, sink, "spam")
	})
}

// OpenDKIM signs for smtp-out in place of our own signer, also because it is told that the client has logged in; others can verify
// what arrives, and so can another OpenDKIM behind smtp-in.
func TestOpenDKIMAsMilter(t *testing.T) {
	t.Parallel()
	key, record := maillab.DKIMKey(t)
	signer := maillab.OpenDKIM(t, "Mode s", "Domain posthouse.test", "Selector filter", "KeyFile "+key, "Canonicalization simple/simple",
		"InternalHosts 203.0.113.1", "OversignHeaders From")
	signed := signedBy(t, signer, record)
	if strings.Count(signed, "DKIM-Signature: ") != 1 || !strings.Contains(signed, "s=filter") || strings.Index(signed, "Received: ") != 0 {
		t.Fatalf("it arrived as\n%s", signed)
	}

	_, message, _ := strings.Cut(signed, "DKIM-Signature: ") // without our Received field
	message = "DKIM-Signature: " + message
	verifier := maillab.OpenDKIM(t, "Mode v", "AuthservID dkim.filter.test", "AlwaysAddARHeader yes",
		"TestPublicKeys "+maillab.DKIMKeys(t, "filter._domainkey.posthouse.test", record))
	sink := maillab.NewSink(t, maillab.SinkOptions{})
	f := newFiltered(t, sink, fmt.Sprintf("[{address: %q}]", verifier))
	for i, each := range []struct{ raw, want string }{{message, "dkim=pass"}, {message + "more\r\n", "dkim=fail"}} {
		if err := f.bring(t, each.raw); err != nil {
			t.Fatal(err)
		}
		got := sink.Wait(t, i+1)[i].Data
		_, result, _ := strings.Cut(got, "Authentication-Results: dkim.filter.test;")
		if result, _, _ = strings.Cut(result, "\r\nDKIM-Signature: "); !strings.Contains(result, each.want) {
			t.Errorf("want %s:\n%s", each.want, got)
		}
	}
}

// signedBy submits a message through `posthouse up` that has a filter instead of a signer, and returns what arrives, which verifies.
func signedBy(t *testing.T, filter, record string) string {
	t.Helper()
	s, sink := up(t), maillab.NewSink(t, maillab.SinkOptions{})
	file := readFile(t, s.dir, "posthouse.yaml")
	before, after, _ := strings.Cut(file, "  dkim:\n")
	_, after, found := strings.Cut(after, "keytable\n")
	if !found {
		t.Fatal("the cluster file has no dkim")
	}
	writeFile(t, s.dir, "posthouse.yaml", before+fmt.Sprintf("  milters: [{address: %q}]\n", filter)+after, 0o644)
	writeFile(t, s.dir, "zone", readFile(t, s.dir, "zone")+
		fmt.Sprintf("filter._domainkey.posthouse.test. IN TXT %q %q\n", record[:200], record[200:]), 0o644)
	s.withRoute(t, "remote.test", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sink.Port()})
	if err := submit(s, s.user, "someone@remote.test", letter("signed@posthouse.test", s.user, "someone@remote.test", "one  line  \n\n.dot\n\n\n")); err != nil {
		t.Fatal(err)
	}
	signed := sink.Wait(t, 1)[0].Data
	writeFile(t, s.dir, "message.eml", signed, 0o644)
	verify := exec.CommandContext(t.Context(), binary, "dkim", "verify", "--config", filepath.Join(s.dir, "posthouse.yaml"))
	verify.Stdin = strings.NewReader(signed)
	if out, err := verify.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "pass header.d=posthouse.test header.s=filter ") {
		t.Errorf("posthouse dkim verify: %v\n%s", err, out)
	}
	server := serveZone(t, "127.53.0.2", filepath.Join(s.dir, "zone"))
	if out, err := maillab.Run(t, s.dir, "perl", "-e", verifyScript, server, "53", "message.eml"); err != nil || strings.TrimSpace(out) != "posthouse.test pass" {
		t.Errorf("Mail::DKIM: %v\n%s", err, out)
	}
	return signed
}

// A filter whose name has two addresses, of which one takes connections and says nothing: mail passes all the same, the first time
// within connect_timeout, and then at once.
func TestFilterWithADeadAddress(t *testing.T) {
	t.Parallel()
	key, _ := maillab.DKIMKey(t)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(maillab.OpenDKIM(t, "Mode s", "Domain sender.test", "Selector sel", "KeyFile "+key,
		"InternalHosts 203.0.113.9"), "inet:"))
	silent, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() // nobody accepts: the kernel does
	sink := maillab.NewSink(t, maillab.SinkOptions{})
	f := newFiltered(t, sink, "[{upstream: [{address: \"filter.relay.test:"+port+"\", fail_timeout: 5m}], connect_timeout: 8s}]")
	f.Kill()
	writeFile(t, f.dir, "zone", readFile(t, f.dir, "zone")+"filter.relay.test. IN A 127.0.0.1\nfilter.relay.test. IN A 127.0.0.2\n", 0o644)
	f.start(t)
	slow := 0
	for i := range 6 { // the addresses take turns
		begun := time.Now()
		if err := f.bring(t, strangersLetter(fmt.Sprint(i), "", "Good morning.")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took >= 4*time.Second { // half of connect_timeout
			slow++
		}
	}
	for _, m := range sink.Wait(t, 6) {
		if !strings.Contains(m.Data, "DKIM-Signature: ") {
			t.Errorf("the filter has not seen it:\n%s", m.Data)
		}
	}
	if slow != 1 {
		t.Errorf("%d messages had to wait for the dead address; want 1, since it is left alone then", slow)
	}
}
