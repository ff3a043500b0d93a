// SPDX-License-Identifier: MIT

package test

import (
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// stack is a running `posthouse up`.
type stack struct {
	*maillab.Process
	dir, user, password string
	base                int
	roots               *x509.CertPool
}

// standard are the ports that a base is added to.
var standard = []int{25, 26, 80, 465, 587, 993}

// up starts `posthouse up` in a new folder and waits until it takes mail.
func up(t *testing.T, args ...string) *stack {
	t.Helper()
	return upIn(t, filepath.Join(room(t), "posthouse-data"), args...)
}

func upIn(t *testing.T, dir string, args ...string) *stack {
	t.Helper()
	s := &stack{dir: dir, base: maillab.FreeBase(t, standard...), roots: x509.NewCertPool()}
	s.start(t, args...)
	s.user, s.password, _ = strings.Cut(strings.TrimSpace(readFile(t, dir, "credentials")), ":")
	if !s.roots.AppendCertsFromPEM([]byte(readFile(t, dir, "tls/ca.pem"))) {
		t.Fatal("no certificate in tls/ca.pem")
	}
	return s
}

// start starts the process, also again.
func (s *stack) start(t *testing.T, args ...string) {
	t.Helper()
	s.Process = start(t, filepath.Dir(s.dir), append([]string{"up", "--dir", s.dir, "--port-base", strconv.Itoa(s.base)}, args...)...)
	waitReady(t, s.Process, s.addr(80))
}

// addr is where the service of a standard port listens.
func (s *stack) addr(standard int) string { return maillab.Local(s.base + standard) }

// waitReady waits until /readyz is green.
func waitReady(t *testing.T, p *maillab.Process, admin string) {
	t.Helper()
	maillab.Wait(t, maillab.Patience, "green /readyz", func() bool {
		if p.Ended() {
			t.Fatal("it ended before it was ready")
		}
		r, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
}

// mailbox waits for a message with this Message-ID in the user's Maildir and returns it.
func (s *stack) mailbox(t *testing.T, id string) string {
	t.Helper()
	var found string
	maillab.Wait(t, maillab.Patience, "message "+id+" in the mailbox", func() bool {
		found = s.look(id)
		return found != ""
	})
	return found
}

// look returns the message with this Message-ID, if it is in the Maildir.
func (s *stack) look(id string) string {
	names, _ := filepath.Glob(filepath.Join(s.dir, "mail", "*", "Maildir", "[cn]*", "*")) // cur and new
	for _, n := range names {
		if b, err := os.ReadFile(n); err == nil && strings.Contains(string(b), "<"+id+">") {
			return string(b)
		}
	}
	return ""
}
