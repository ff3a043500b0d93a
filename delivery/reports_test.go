// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/mail"
	"posthouse/reply"
)

// kinds says which reports were queued, by their Action fields, and of what.
func kinds(t *testing.T, l *lab) string {
	t.Helper()
	var out []string
	for _, e := range l.store.reports() {
		r, err := e.Message.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if action, ok := strings.CutPrefix(line, "Action: "); ok {
				out = append(out, strings.TrimSpace(action))
			}
		}
	}
	return strings.Join(out, " ")
}

// counted is the value of a counter by the value of its one label.
func counted(t *testing.T, r prometheus.Gatherer, name, label string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// TestNotifyMatrix is RFC 3461 4.1 and 5.2: who hears of what. The mail is tried for six days.
func TestNotifyMatrix(t *testing.T) {
	t.Parallel()
	const never, success, failure, delay = mail.NotifyNever, mail.NotifySuccess, mail.NotifyFailure, mail.NotifyDelay
	taken := good
	taken.DSN = true
	dropped := mail.Result{Status: mail.Delivered, Reply: reply.OK}
	for _, c := range []struct {
		notify mail.Notify
		result mail.Result
		want   string
	}{
		{0, good, ""},
		{0, gone, "failed"},
		{0, busy, "delayed failed"},
		{0, down, "delayed failed"},
		{never, good, ""},
		{never, gone, ""},
		{never, busy, ""},
		{success, dropped, "delivered"},
		{success, good, "relayed"},
		{success, taken, ""}, // the next hop answers for it
		{success, gone, ""},
		{success, busy, ""},
		{failure, gone, "failed"},
		{failure, busy, "failed"},
		{delay, busy, "delayed"},
		{delay, gone, ""},
		{success | failure | delay, dropped, "delivered"},
		{success | failure | delay, busy, "delayed failed"},
	} {
		t.Run(fmt.Sprintf("%d %v %v", c.notify, c.result.Status, c.result.DSN), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
					if env.From.IsNull() {
						return mail.All(1, good)
					}
					return mail.All(1, c.result)
				})
				p := path(t, "b@there.test")
				l.queueUp(&mail.Envelope{From: path(t, "a@from.test"), Recipients: []mail.Recipient{{To: p, Given: p, Notify: c.notify}}})
				l.start()
				time.Sleep(6 * 24 * time.Hour)
				if got := kinds(t, l); got != c.want {
					t.Errorf("told of %q, want %q", got, c.want)
				}
				if left := l.store.left(); len(left) != 0 {
					t.Errorf("left %+v", left)
				}
				if err := l.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestDelayIsToldOnceAfterFourHours(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]mail.Result{"busy": busy, "dead": down} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
					if env.From.IsNull() {
						return mail.All(1, good)
					}
					return mail.All(1, r)
				})
				l.send("a@from.test", "b@there.test")
				l.start()
				time.Sleep(4*time.Hour - time.Second)
				if got := kinds(t, l); got != "" {
					t.Errorf("told early: %s", got)
				}
				time.Sleep(time.Hour)
				if got, row := kinds(t, l), l.store.left()[0]; got != "delayed" || !row.Delayed {
					t.Errorf("told %q, row %+v", got, row)
				}
				time.Sleep(24 * time.Hour)
				if got := kinds(t, l); got != "delayed" {
					t.Errorf("told %s", got)
				}
				if err := l.end(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestReportGoesToTheSenderWithTheRows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
			if env.From.IsNull() {
				return mail.All(1, busy)
			}
			return mail.All(len(env.Recipients), gone)
		})
		srs := path(t, "SRS0=x@ours.test")
		l.queueUp(&mail.Envelope{From: path(t, "a@from.test"), Recipients: []mail.Recipient{
			{To: path(t, "b@there.test"), Sender: &srs}, {To: path(t, "c@there.test"), Sender: &srs}}})
		l.start()
		synctest.Wait()
		reports := l.store.reports()
		left := l.store.left()
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		if len(reports) != 1 || reports[0].Envelope.Recipients[0].To != path(t, "a@from.test") {
			t.Fatalf("reports %+v: want one, to the sender and not to the SRS address", reports)
		}
		if len(left) != 1 || left[0].ID != reports[0].Envelope.ID || left[0].Destination != "from.test" {
			t.Errorf("left %+v", left)
		}
		if got := kinds(t, l); got != "failed failed" {
			t.Errorf("told %s", got)
		}
	})
}

func TestNobodyIsToldOfABounceOrByAForgedSender(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		env    mail.Envelope
		bounce bool
		want   string
		reason string
	}{
		{"null sender", mail.Envelope{}, false, "", "null_sender"},
		{"unauthenticated", mail.Envelope{From: path(t, "a@from.test"), Unauthenticated: true}, false, "", "unauthenticated"},
		{"unauthenticated, asked for", mail.Envelope{From: path(t, "a@from.test"), Unauthenticated: true}, true, "failed", ""},
		{"null sender, asked for", mail.Envelope{Unauthenticated: true}, true, "", "null_sender"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				registry := prometheus.NewRegistry()
				l := newLab(t, always(gone), func(o *Options) {
					o.Config.BounceUnauthenticated = c.bounce
					o.Registry = registry
				})
				env := c.env
				env.Recipients = []mail.Recipient{{To: path(t, "b@there.test")}}
				l.queueUp(&env)
				l.start()
				synctest.Wait()
				if err := l.end(); err != nil {
					t.Fatal(err)
				}
				if got := kinds(t, l); got != c.want {
					t.Errorf("told %q", got)
				}
				if left := l.store.left(); len(left) != 0 {
					t.Errorf("left %+v", left)
				}
				told := c.reason == "" || strings.Contains(l.log.String(), "level=WARN msg=\"undeliverable, and the sender is not told\"") &&
					strings.Contains(l.log.String(), "reason="+c.reason)
				if !told {
					t.Errorf("not in the log:\n%s", l.log)
				}
				if c.reason != "" && counted(t, registry, "posthouse_smtp_in_delivery_reports_suppressed_total", c.reason) != 1 {
					t.Error("not counted")
				}
			})
		})
	}
}

func TestFailureOfAReportEndsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, always(gone))
		l.send("a@from.test", "b@there.test")
		l.start()
		synctest.Wait()
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		if reports, left := l.store.reports(), l.store.left(); len(reports) != 1 || len(left) != 0 {
			t.Errorf("%d reports, left %+v", len(reports), left)
		}
	})
}

// A report on mail with REQUIRETLS needs it, too. Where the way back lacks it, the log says that somebody was not told.
func TestReportWithoutRequireTLSOnItsWayIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
			if !env.RequireTLS {
				t.Errorf("%s -> %s goes without REQUIRETLS", env.From, env.Recipients[0].To)
			}
			return mail.All(1, mail.Result{Status: mail.Failed, Reply: reply.RequireTLSFails})
		}, func(o *Options) { o.Registry = registry })
		to := path(t, "b@there.test")
		l.queueUp(&mail.Envelope{From: path(t, "a@from.test"), RequireTLS: true, Recipients: []mail.Recipient{{To: to, Given: to}}})
		l.start()
		synctest.Wait()
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		if left := l.store.left(); len(left) != 0 {
			t.Errorf("left %+v", left)
		}
		for _, want := range []string{"level=WARN", "to=a@from.test", "reason=requiretls", "5.7.30"} {
			if !strings.Contains(l.log.String(), want) {
				t.Errorf("no %s in\n%s", want, l.log)
			}
		}
		if n := counted(t, registry, "posthouse_smtp_in_delivery_reports_suppressed_total", "requiretls"); n != 1 {
			t.Errorf("counted %v", n)
		}
	})
}

func TestReportThatCannotBeMadeKeepsTheMail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(context.Context, *mail.Envelope) mail.Outcome { return mail.Outcome{gone, good} },
			func(o *Options) { o.Hostname = "" })
		l.send("a@from.test", "b@there.test", "c@there.test")
		l.start()
		synctest.Wait()
		left := l.store.left()
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		if len(left) != 1 || left[0].N != 0 || !left[0].Due.After(time.Now()) {
			t.Errorf("left %+v", left)
		}
	})
}

func TestReportsToAliasesOfOursAreExpanded(t *testing.T) {
	t.Parallel()
	to := path(t, "user@drop.test")
	for name, c := range map[string]struct {
		to   []mail.Recipient
		want string
	}{
		"alias": {[]mail.Recipient{{To: to}}, "drop.test"},
		"none":  {nil, "ours.test"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
					if env.From.IsNull() {
						return mail.All(1, busy)
					}
					return mail.All(1, gone)
				}, func(o *Options) { o.Expand = func(mail.Recipient) []mail.Recipient { return c.to } })
				l.send("alias@ours.test", "b@there.test")
				l.start()
				synctest.Wait()
				left := l.store.left()
				if err := l.end(); err != nil {
					t.Fatal(err)
				}
				if len(left) != 1 || left[0].Destination != c.want {
					t.Errorf("left %+v", left)
				}
			})
		})
	}
}

func TestMetricsHaveBoundedLabels(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewPedanticRegistry()
		l := newLab(t, always(good), func(o *Options) { o.Registry = registry })
		l.send("a@from.test", "b@there.test", "c@there.test")
		l.start()
		synctest.Wait()
		if err := l.end(); err != nil {
			t.Error(err)
		}
		if n := counted(t, registry, "posthouse_smtp_in_delivery_outcomes_total", "sent"); n != 2 {
			t.Errorf("%v sent", n)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if !strings.HasPrefix(f.GetName(), "posthouse_smtp_in_") {
				t.Errorf("name %s", f.GetName())
			}
			for _, m := range f.GetMetric() {
				for _, label := range m.GetLabel() {
					if strings.Contains(label.GetValue(), ".test") {
						t.Errorf("%s has a label from outside: %s", f.GetName(), label.GetValue())
					}
				}
			}
		}
	})
}

func TestReadErrorOfTheStoreIsSurvived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, always(good))
		for i := range 150 { // more than the queue keeps in memory, so that it must read
			l.send("a@from.test", fmt.Sprintf("%d@there.test", i))
		}
		l.store.refuseReads(errors.New("bad block"))
		l.start()
		time.Sleep(10 * time.Second)
		if len(l.store.left()) == 0 {
			t.Fatal("nothing had to be read")
		}
		l.store.refuseReads(nil)
		time.Sleep(10 * time.Second)
		if left := l.store.left(); len(left) != 0 {
			t.Errorf("%d left", len(left))
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}
