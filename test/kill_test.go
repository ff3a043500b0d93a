// SPDX-License-Identifier: MIT

package test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// rounds is how often the process is killed while it takes mail.
const rounds = 50

// Nothing lost: clients send without pause, the process is killed at random moments and started again, and every message
// that was answered 250 reaches the sink at least once. (That a power cut loses nothing either, which SIGKILL cannot show,
// is shown by the store's own tests on a disk that forgets.)
func TestNothingLostWhenKilled(t *testing.T) {
	t.Parallel()
	sink := maillab.NewSink(t, maillab.SinkOptions{KeepNoBody: true})
	r := newRelay(t, room(t), sink.Addr(), "")
	answered := underFire(t, r)
	waitAllTaken(t, sink, answered)
	taken := 0
	for _, id := range answered {
		taken += sink.Taken("<" + id + ">")
	}
	t.Logf("%d kills, %d messages answered 250, %d came at the sink, %d of them again", rounds, len(answered), taken, taken-len(answered))
}

// The same with the next hop down: all of it waits through all kills, and goes out when the next hop is back.
func TestNothingLostWhenKilledWithNextHopDown(t *testing.T) {
	t.Parallel()
	sink := maillab.NewSink(t, maillab.SinkOptions{KeepNoBody: true, Script: notNow()})
	r := newRelay(t, room(t), sink.Addr(), "")
	answered := underFire(t, r)
	sink.Behave(nil)
	if got := r.command(t, "queue", "retry", "--all"); got.code != 0 {
		t.Fatalf("queue retry: %s", got.err)
	}
	waitAllTaken(t, sink, answered)
	t.Logf("%d kills, %d messages answered 250 and waiting", rounds, len(answered))
}

// notNow is a next hop that is there and takes nothing.
func notNow() maillab.Script {
	return maillab.On("BANNER", maillab.Action{Reply: "421 4.3.2 Not now", Close: true})
}

// underFire puts load on a relay and kills it all the while; it runs in the end. Returned is what was answered 250.
func underFire(t *testing.T, r *relay) (answered []string) {
	t.Helper()
	r.start(t)
	load := newLoad(r.address)
	for worker := range 4 {
		load.ending.Go(func() { load.run(worker) })
	}
	for n := range rounds {
		pause(t, time.Duration(20+rand.IntN(400))*time.Millisecond)
		r.Kill()
		if n%5 == 4 { // once more, while it starts
			r.launch(t)
			pause(t, time.Duration(rand.IntN(100))*time.Millisecond)
			r.Kill()
		}
		r.start(t)
	}
	answered = load.stop()
	if len(answered) < rounds {
		t.Errorf("only %d messages were answered 250: the test shows little", len(answered))
	}
	return answered
}

// pause lets the load go on for a while: the moment of the kill is random on purpose.
func pause(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// waitAllTaken waits until each message came at the sink, and names some of those that did not.
func waitAllTaken(t *testing.T, sink *maillab.Sink, ids []string) {
	t.Helper()
	end := time.Now().Add(3 * maillab.Patience)
	for {
		missing := untaken(sink, ids)
		if len(missing) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("lost %d of %d, among them %v", len(missing), len(ids), missing[:min(5, len(missing))])
		}
		pause(t, 50*time.Millisecond)
	}
}

func untaken(sink *maillab.Sink, ids []string) []string {
	var missing []string
	for _, id := range ids {
		if sink.Taken("<"+id+">") == 0 {
			missing = append(missing, id)
		}
	}
	return missing
}

// load sends messages without pause, over connections that may break at any moment, and remembers which were answered.
type load struct {
	address string
	stopped atomic.Bool
	ending  sync.WaitGroup
	mu      sync.Mutex
	ids     []string
}

func newLoad(address string) *load { return &load{address: address} }

// stop ends the load and returns the Message-IDs that were answered 250.
func (l *load) stop() []string {
	l.stopped.Store(true)
	l.ending.Wait()
	return l.ids
}

func (l *load) run(worker int) {
	for n := 0; !l.stopped.Load(); {
		c, err := dial(l.address)
		if err != nil {
			time.Sleep(5 * time.Millisecond) // it is being started again
			continue
		}
		n = l.converse(c, worker, n)
		c.Close()
	}
}

// converse sends over one connection until it breaks, and returns the next number.
func (l *load) converse(c client, worker, n int) int {
	for ; !l.stopped.Load(); n++ {
		id := fmt.Sprintf("%d.%d@load.test", worker, n)
		if err := c.send("load@load.test", []string{"to@sink.test"}, letter(id, "load@load.test", "to@sink.test", body(n))); err != nil {
			return n + 1
		}
		l.mu.Lock()
		l.ids = append(l.ids, id)
		l.mu.Unlock()
	}
	return n
}

// body is small mostly, and now and then too big for the database, so that both ways of the store are under way.
func body(n int) string {
	size := 100
	if n%20 == 19 {
		size = 300 << 10
	}
	b := make([]byte, size)
	for i := range b {
		b[i] = "0123456789\n"[i%11]
	}
	return string(b)
}

// With the next hop down nothing is lost and nothing bounces: what was answered waits, also across a restart, and goes out
// when the next hop is back.
func TestNextHopDown(t *testing.T) {
	t.Parallel()
	down := maillab.Local(maillab.FreePort(t))
	r := newRelay(t, room(t), down, "")
	r.start(t)
	var answered []string
	for n := range 200 {
		id := fmt.Sprintf("%d@down.test", n)
		if err := deliver(r.address, "a@down.test", "b@sink.test", letter(id, "a@down.test", "b@sink.test", body(n))); err != nil {
			t.Fatal(err)
		}
		answered = append(answered, id)
	}
	if err := r.Stop(); err != nil {
		t.Fatalf("stopping: %v", err)
	}
	r.start(t)
	ln, err := net.Listen("tcp", down)
	if err != nil {
		t.Fatal(err)
	}
	sink := maillab.NewSink(t, maillab.SinkOptions{Listener: ln})
	waitAllTaken(t, sink, answered)
	for _, m := range sink.Messages() {
		if m.From != "FROM:<a@down.test>" && m.From[:20] != "FROM:<a@down.test> " && m.From == "FROM:<>" {
			t.Errorf("a bounce: %+v", m.To)
		}
	}
}

// A next hop that drops the connection after the final dot, refuses for a while or stalls gets each message later.
func TestNextHopMisbehaves(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]maillab.Script{
		"drops after the dot":      maillab.First(3, maillab.On(".", maillab.Action{Drop: true})),
		"refuses for a while":      maillab.First(3, maillab.On("MAIL", maillab.Action{Reply: "451 4.3.0 Later"})),
		"is shutting down":         maillab.First(3, maillab.On("BANNER", maillab.Action{Reply: "421 4.3.2 Going"})),
		"closes after the message": maillab.On(".", maillab.Action{Close: true}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sink := maillab.NewSink(t, maillab.SinkOptions{Script: script})
			r := newRelay(t, room(t), sink.Addr(), "")
			r.start(t)
			var answered []string
			for n := range 5 {
				id := fmt.Sprintf("%d@odd.test", n)
				if err := deliver(r.address, "a@odd.test", "b@sink.test", letter(id, "a@odd.test", "b@sink.test", "x")); err != nil {
					t.Fatal(err)
				}
				answered = append(answered, id)
			}
			waitAllTaken(t, sink, answered)
		})
	}
}

// A recipient that the next hop refuses for good is reported to the sender, once.
func TestBounce(t *testing.T) {
	t.Parallel()
	sink := maillab.NewSink(t, maillab.SinkOptions{Script: maillab.RefuseRcpt("gone@", "550 5.1.1 No such user")})
	r := newRelay(t, room(t), sink.Addr(), "")
	r.start(t)
	if err := deliver(r.address, "a@sender.test", "gone@sink.test", letter("bounced@sender.test", "a@sender.test", "gone@sink.test", "x")); err != nil {
		t.Fatal(err)
	}
	m := sink.Wait(t, 1)[0]
	if m.From[:7] != "FROM:<>" || m.To[0] != "TO:<a@sender.test>" {
		t.Errorf("the report went from %s to %s", m.From, m.To)
	}
	for _, want := range []string{"multipart/report", "message/delivery-status", "gone@sink.test", "5.1.1", "No such user"} {
		if !contains(m.Data, want) {
			t.Errorf("the report has no %q:\n%s", want, m.Data)
		}
	}
}

// A sender who is an alias of ours gets the report where the alias leads: it is not lost as mail for nobody.
func TestBounceToAlias(t *testing.T) {
	t.Parallel()
	sink := maillab.NewSink(t, maillab.SinkOptions{Script: maillab.RefuseRcpt("gone@", "550 5.1.1 No such user")})
	r := newRelay(t, room(t), sink.Addr(), "")
	r.start(t)
	if err := deliver(r.address, "postmaster@relay.test", "gone@sink.test", letter("bounced@relay.test", "postmaster@relay.test", "gone@sink.test", "x")); err != nil {
		t.Fatal(err)
	}
	if m := sink.Wait(t, 1)[0]; m.From[:7] != "FROM:<>" || m.To[0] != "TO:<operator@sink.test>" {
		t.Errorf("the report went from %s to %s", m.From, m.To)
	}
}

// The same holds when an operator bounces mail of a service that does not run.
func TestStoppedBounceToAlias(t *testing.T) {
	t.Parallel()
	r := newRelay(t, room(t), maillab.Local(maillab.FreePort(t)), "")
	r.start(t)
	if err := deliver(r.address, "postmaster@relay.test", "b@sink.test", letter("stopped@relay.test", "postmaster@relay.test", "b@sink.test", "x")); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := r.command(t, "queue", "bounce", "--all"); got.code != 0 {
		t.Fatalf("bounce: %s", got.err)
	}
	if all := r.list(t); len(all) != 1 || all[0].To != "operator@sink.test" {
		t.Errorf("waiting: %+v", all)
	}
}

// Mail that fails because the next hop takes no 8-bit text comes back by the same hop: the report is without it.
func TestBounceWhereNothingIs8Bit(t *testing.T) {
	t.Parallel()
	sink := maillab.NewSink(t, maillab.SinkOptions{Extensions: []string{"PIPELINING", "DSN"}})
	r := newRelay(t, room(t), sink.Addr(), "")
	r.start(t)
	if err := deliver(r.address, "a@sender.test", "b@sink.test", letter("eight@sender.test", "a@sender.test", "b@sink.test", "gr\xc3\xbc\xc3\x9fe")); err != nil {
		t.Fatal(err)
	}
	if m := sink.Wait(t, 1)[0]; m.From[:7] != "FROM:<>" || !contains(m.Data, "5.6.3") {
		t.Errorf("%s got %s", m.From, m.Data)
	}
}
