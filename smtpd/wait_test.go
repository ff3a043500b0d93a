// SPDX-License-Identifier: MIT

package smtpd

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/internal/listen"
	"posthouse/mail"
	"posthouse/reply"
)

// patient is a recorder whose banner waits.
type patient struct {
	*recorder
	wait time.Duration
}

func (p patient) Patience(*mail.Client) time.Duration { return p.wait }

// TestEarlyEndsTheWait: a client that speaks before the banner is known as early to Connect, at once.
func TestEarlyEndsTheWait(t *testing.T) {
	t.Parallel()
	early := make(chan bool, 1)
	r := &recorder{onConnect: func(c *mail.Client) error { early <- c.Early; return reply.EarlyTalker }}
	p := start(t, patient{r, time.Hour}, nil).silent()
	p.send("EHLO client.test\r\n")
	p.want("503 5.5.0")
	if !<-early {
		t.Error("not noticed")
	}
}

// TestWaitsForTheBanner: a client that keeps quiet gets it after the wait, and is not early.
func TestWaitsForTheBanner(t *testing.T) {
	t.Parallel()
	early := make(chan bool, 1)
	r := &recorder{onConnect: func(c *mail.Client) error { early <- c.Early; return nil }}
	const wait = 50 * time.Millisecond
	begin := time.Now()
	p := start(t, patient{r, wait}, nil).dial()
	if took := time.Since(begin); took < wait {
		t.Errorf("the banner came after %s", took)
	}
	if <-early {
		t.Error("called early")
	}
	p.do("EHLO client.test\r\n", "250 ")
	p.data()
	p.do("\r\n.\r\n", "250 ")
}

// TestLeavesTheWait: one that goes away, and a server that stops, end the wait.
func TestLeavesTheWait(t *testing.T) {
	t.Parallel()
	called := make(chan bool, 1)
	r := &recorder{onConnect: func(c *mail.Client) error { called <- c.Early; return nil }}
	w := start(t, patient{r, time.Hour}, nil)
	w.silent().conn.Close()
	if <-called {
		t.Error("who says nothing is not early")
	}
	p := w.silent()
	eventually(t, "a connection in the wait", func() bool {
		w.server.mu.Lock()
		defer w.server.mu.Unlock()
		for c := range w.server.conns {
			if c.guard.Waiting() {
				return true
			}
		}
		return false
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	_ = p
}

// TestRefusedMailHasAnID: the line in the log names the message that it is about, from MAIL on.
func TestRefusedMailHasAnID(t *testing.T) {
	t.Parallel()
	var id mail.ID
	var log lockedBuffer
	r := &recorder{onMail: func(env *mail.Envelope) error { id = env.ID; return reply.Rejected }}
	p := start(t, r, func(o *Options, _ *listen.Config) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) }).hello()
	p.do("MAIL FROM:<a@client.test>\r\n", "554 5.7.1")
	if !strings.Contains(log.String(), "verb=MAIL") || !strings.Contains(log.String(), "id="+string(id)) {
		t.Errorf("no id %s: %s", id, log.String())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
