// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"posthouse/internal/maillab"
)

// Each side has a postgrey of its own, so that neither teaches the other's.
var postgreys = map[string]string{"ours": "10.0.5.1:10023", "Postfix's": "10.0.5.2:10023"}

func startPostgrey(t *testing.T, address string) {
	t.Helper()
	dir := room(t)
	write(t, filepath.Join(dir, "db", ".keep"), "")
	write(t, filepath.Join(dir, "none"), "")
	if out, err := maillab.Run(t, dir, "chown", "-R", "postgrey", dir); err != nil {
		t.Fatal(err, out)
	}
	maillab.Start(t, dir, "postgrey", "--inet="+address, "--delay=3", "--auto-whitelist-clients=0", "--dbdir="+dir+"/db",
		"--whitelist-clients="+dir+"/none", "--whitelist-recipients="+dir+"/none")
	maillab.WaitPort(t, address)
}

// policyServer answers by the sender, and remembers what it was told.
type policyServer struct {
	mu    sync.Mutex
	asked map[string][]map[string]string // by the address of the server that asked
}

var policyAnswers = map[string]string{
	"ok": "OK", "dunno": "DUNNO", "reject": "REJECT", "text": "REJECT 5.7.9 not you", "defer": "DEFER later",
	"deferifpermit": "DEFER_IF_PERMIT 4.7.9 perhaps", "deferifreject": "DEFER_IF_REJECT 4.7.8 perhaps", "450": "450 4.2.2 full",
	"list": "permit_mynetworks, defer", "nonsense": "no_such_word", "empty": "", "prepend": "PREPEND X-Policy: seen",
}

func startPolicyServer(t *testing.T) *policyServer {
	t.Helper()
	l, err := net.Listen("tcp", "10.0.5.3:10024")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &policyServer{asked: map[string][]map[string]string{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *policyServer) serve(c net.Conn) {
	defer c.Close()
	attributes := map[string]string{}
	for in := bufio.NewScanner(c); in.Scan(); {
		if name, value, ok := strings.Cut(in.Text(), "="); ok {
			attributes[name] = value
			continue
		}
		user, _, _ := strings.Cut(attributes["sender"], "@")
		answer, known := policyAnswers[user]
		switch {
		case user == "close":
			return
		case user == "late" && attributes["protocol_state"] == "DATA":
			answer = "REJECT too late"
		case !known:
			answer = "DUNNO"
		}
		if user != "empty" { // which ours takes for a mistake, and asks again
			s.keep(attributes)
		}
		attributes = map[string]string{}
		fmt.Fprintf(c, "action=%s\n\n", answer)
	}
}

func (s *policyServer) keep(attributes map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	side := attributes["server_address"]
	s.asked[side] = append(s.asked[side], attributes)
}

// own are the attributes in which two servers must differ, or that name the server.
var own = []string{"instance", "queue_id", "client_port", "server_address", "server_port", "encryption_cipher", "encryption_keysize",
	"encryption_protocol"}

// compare holds what ours was told against what Postfix's was, set by set.
func (s *policyServer) compare(t *testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sets := 0
	for address, theirs := range s.asked {
		if mirror := strings.NewReplacer(".8.", ".7.", ":8:", ":7:").Replace(address); mirror != address {
			sets++
			compareQuestions(t, s.asked[mirror], theirs)
		}
	}
	if sets == 0 {
		t.Error("Postfix did not ask")
	}
}

func compareQuestions(t *testing.T, ours, theirs []map[string]string) {
	if len(ours) != len(theirs) {
		t.Errorf("asked %d times by ours, %d times by Postfix", len(ours), len(theirs))
	}
	for i := range min(len(ours), len(theirs)) {
		for _, name := range slices.Sorted(maps.Keys(theirs[i])) {
			want := theirs[i][name]
			got, sent := ours[i][name]
			same := got == want || slices.Contains(own, name) || name == "recipient" && strings.EqualFold(got, want) // we fold domains at the door
			if !sent || !same {
				t.Errorf("question %d, of %s to %s: %s=%q (sent: %v), Postfix sends %q", i, theirs[i]["sender"], theirs[i]["recipient"], name, got, sent, want)
			}
		}
	}
}

// startGood is the server of good.test, which does not know everyone.
func startGood(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "10.0.9.4:25")
	if err != nil {
		t.Fatal(err)
	}
	maillab.NewSink(t, maillab.SinkOptions{Listener: l, Script: func(e maillab.Event) maillab.Action {
		switch {
		case e.Verb == "RCPT" && strings.Contains(e.Argument, "<nobody@"):
			return maillab.Action{Reply: "550 5.1.1 No such user"}
		case e.Verb == "RCPT" && strings.Contains(e.Argument, "<later@"):
			return maillab.Action{Reply: "450 4.2.1 Later"}
		}
		return maillab.Action{}
	}})
}
