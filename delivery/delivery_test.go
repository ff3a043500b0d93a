// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"
)

func path(t testing.TB, s string) mail.Path {
	t.Helper()
	if s == "" {
		return mail.Path{}
	}
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lab is a Manager at work over a memory, inside a synctest bubble.
type lab struct {
	*Manager
	t     *testing.T
	store *memory
	log   *lines
	stop  context.CancelFunc
	hard  context.CancelFunc
	done  chan error
}

// lines collects the log.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// carrier is a scripted next hop.
type carrier func(ctx context.Context, env *mail.Envelope) mail.Outcome

func (c carrier) Carry(ctx context.Context, env *mail.Envelope, _ *mail.Message) mail.Outcome {
	return c(ctx, env)
}

func newLab(t *testing.T, c carrier, edit ...func(*Options)) *lab {
	t.Helper()
	l := &lab{t: t, store: newMemory(), log: &lines{}, done: make(chan error, 1)}
	o := Options{
		Route:    func(*mail.Envelope, string) mail.Carrier { return c },
		Service:  "smtp-in",
		Hostname: "mx.ours.test",
		Random:   func() float64 { return 0 },
		Log:      slog.New(slog.NewTextHandler(l.log, nil)),
	}
	o.Config.SetDefaults()
	for _, f := range edit {
		f(&o)
	}
	q, err := queue.New(t.Context(), o.Config.Queue(queue.Options{Store: l.store, Destination: mail.Path.Domain}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	o.Queue = q
	l.Manager = New(o)
	return l
}

func (l *lab) start() {
	stop, cancelStop := context.WithCancel(context.Background())
	hard, cancelHard := context.WithCancel(context.Background())
	l.stop, l.hard = cancelStop, cancelHard
	go func() { l.done <- l.Run(stop, hard) }()
	l.t.Cleanup(func() { cancelStop(); cancelHard() })
}

// end stops the lab and returns what Run did.
func (l *lab) end() error {
	l.stop()
	l.hard()
	return <-l.done
}

// send queues a message that arrived now.
func (l *lab) send(from string, to ...string) *mail.Envelope {
	l.t.Helper()
	env := &mail.Envelope{From: path(l.t, from)}
	for _, a := range to {
		p := path(l.t, a)
		env.Recipients = append(env.Recipients, mail.Recipient{To: p, Given: p})
	}
	return l.queueUp(env)
}

func (l *lab) queueUp(env *mail.Envelope) *mail.Envelope {
	l.t.Helper()
	msg, err := mail.ReadMessage(strings.NewReader("Subject: hello\r\n\r\nbody\r\n"), 1<<20)
	if err != nil {
		l.t.Fatal(err)
	}
	env.Arrived = time.Now()
	env.ID = mail.NewID(env.Arrived)
	if out := l.Queue.Carry(l.t.Context(), env, msg); out.Err() != nil {
		l.t.Fatal(out.Err())
	}
	return env
}

func always(r mail.Result) carrier {
	return func(_ context.Context, env *mail.Envelope) mail.Outcome { return mail.All(len(env.Recipients), r) }
}

var (
	gone = mail.Result{Status: mail.Failed, Reply: reply.UnknownUser, Remote: "mx.there.test[192.0.2.1]:25"}
	busy = mail.Result{Status: mail.Deferred, Reply: reply.LocalError, Remote: "mx.there.test[192.0.2.1]:25"}
	down = mail.Result{Status: mail.Deferred, Reply: reply.NoContact, HopDead: true}
	good = mail.Result{Status: mail.Relayed, Reply: reply.OK, Remote: "mx.there.test[192.0.2.1]:25", TLS: "TLSv1.3"}
)

func TestOutcomeOfEachRecipientIsSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
			out := mail.Outcome{}
			for _, r := range env.Recipients {
				out = append(out, map[string]mail.Result{"good": good, "gone": gone, "busy": busy, "a": good}[r.To.Local()])
			}
			return out
		})
		env := l.send("a@from.test", "good@there.test", "busy@there.test", "gone@there.test", "good@else.test")
		l.start()
		synctest.Wait()
		left := l.store.left()
		if len(left) != 1 || left[0].N != 1 || left[0].ID != env.ID || left[0].Attempts != 1 || left[0].Last.Reply.Code != 451 {
			t.Errorf("left: %+v", left)
		}
		if want := time.Now().Add(5 * time.Minute); !left[0].Due.Equal(want) {
			t.Errorf("due %v, want %v", left[0].Due, want)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
		for _, want := range []string{
			"id=" + string(env.ID) + " from=a@from.test to=good@there.test status=sent dsn=2.0.0 relay=mx.there.test[192.0.2.1]:25 tls=TLSv1.3 delay=0",
			"to=busy@there.test status=deferred dsn=4.3.0",
			"to=gone@there.test status=failed dsn=5.1.1",
			"to=good@else.test status=sent",
		} {
			if !strings.Contains(l.log.String(), want) {
				t.Errorf("log lacks %q:\n%s", want, l.log)
			}
		}
	})
}

func TestRetryScheduleIsPostfixs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tried []time.Duration
		began := time.Now()
		l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
			tried = append(tried, time.Since(began).Round(time.Second))
			return mail.All(1, busy)
		})
		l.send("", "busy@there.test")
		l.start()
		time.Sleep(6 * time.Hour)
		if err := l.end(); err != nil {
			t.Error(err)
		}
		want := "[0s 5m0s 10m0s 20m0s 40m0s 1h20m0s 2h27m0s 3h34m0s 4h41m0s 5h48m0s]"
		if got := fmt.Sprint(tried); got != want {
			t.Errorf("tried at %s\nwant     %s", got, want)
		}
	})
}

func TestSendersGoInTransactionsOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
			s := env.From.String() + ":"
			for _, r := range env.Recipients {
				s += " " + r.To.String()
			}
			seen = append(seen, s)
			return mail.All(len(env.Recipients), good)
		})
		srs := path(t, "SRS0=x@ours.test")
		env := &mail.Envelope{From: path(t, "a@from.test")}
		for i, a := range []string{"1@there.test", "2@there.test", "3@there.test"} {
			r := mail.Recipient{To: path(t, a), Given: path(t, a)}
			if i != 1 {
				r.Sender = &srs
			}
			env.Recipients = append(env.Recipients, r)
		}
		l.queueUp(env)
		l.start()
		synctest.Wait()
		if err := l.end(); err != nil {
			t.Error(err)
		}
		if got := strings.Join(seen, "; "); got != "SRS0=x@ours.test: 1@there.test 3@there.test; a@from.test: 2@there.test" {
			t.Errorf("carried %s", got)
		}
		if env.From != path(t, "a@from.test") || len(env.Recipients) != 3 {
			t.Errorf("the stored envelope was changed: %+v", env)
		}
	})
}

func TestCarriersThatMisbehaveCostARetryOnly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]carrier{
		"panics":         func(context.Context, *mail.Envelope) mail.Outcome { panic("nil map") },
		"says nothing":   func(context.Context, *mail.Envelope) mail.Outcome { return nil },
		"says zero":      always(mail.Result{}),
		"says too much":  func(context.Context, *mail.Envelope) mail.Outcome { return mail.All(7, busy) },
		"is not there":   nil,
		"has no verdict": always(mail.Result{Status: 99}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, c)
				if c == nil {
					l.Route = func(*mail.Envelope, string) mail.Carrier { return nil }
				}
				l.send("a@from.test", "b@there.test")
				l.start()
				synctest.Wait()
				left := l.store.left()
				if err := l.end(); err != nil {
					t.Fatal(err)
				}
				if len(left) != 1 || left[0].Attempts != 1 || !left[0].Last.Reply.Temporary() {
					t.Errorf("left %+v", left)
				}
			})
		})
	}
}

func TestCutOffLeavesTheRowAsItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(ctx context.Context, env *mail.Envelope) mail.Outcome {
			<-ctx.Done()
			return mail.All(len(env.Recipients), mail.Result{Status: mail.Unknown})
		})
		l.send("a@from.test", "b@there.test")
		before := l.store.left()[0]
		l.start()
		synctest.Wait()
		l.stop()
		synctest.Wait()
		select {
		case <-l.done:
			t.Fatal("the attempt was not given its grace")
		default:
		}
		l.hard()
		if err := <-l.done; err != nil {
			t.Error(err)
		}
		if got := l.store.left()[0]; got != before {
			t.Errorf("row changed: %+v", got)
		}
	})
}

func TestStopEndsClaimingAndLetsAttemptsFinish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
			attempts++
			time.Sleep(10 * time.Second)
			return mail.All(len(env.Recipients), good)
		})
		l.send("a@from.test", "b@there.test")
		l.start()
		synctest.Wait()
		l.stop()
		synctest.Wait()
		l.send("a@from.test", "late@there.test")
		if err := <-l.done; err != nil {
			t.Error(err)
		}
		if left := l.store.left(); attempts != 1 || len(left) != 1 {
			t.Errorf("%d attempts, left %+v", attempts, left)
		}
	})
}

func TestBrokenStoreEndsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, always(good))
		env := l.send("a@from.test", "b@there.test")
		l.store.broken = fmt.Errorf("sync failed")
		l.start()
		err := <-l.done
		if err == nil || err.Error() != "settling "+string(env.ID)+": sync failed" {
			t.Errorf("got %v", err)
		}
		if strings.Contains(l.log.String(), "status=sent") {
			t.Error("logged what was not committed")
		}
	})
}
