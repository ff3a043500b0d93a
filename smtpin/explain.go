// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"log/slog"
	"strings"

	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
	"posthouse/resolver"
	"posthouse/smtpd"
)

// Case is a message that nobody has sent.
type Case struct {
	Client  mail.Client // without its Name, which is looked up
	From    mail.Path
	To      []mail.Path
	Message *mail.Message // nil: the dialogue ends before DATA
}

// Explanation is what would be said to a client and done with its message, and how it came about.
type Explanation struct {
	Steps      []policy.Step `json:"steps"`
	Replies    []Answer      `json:"replies"`
	Recipients []End         `json:"recipients,omitempty"` // who would get it
	Hold       string        `json:"hold,omitempty"`
	Discard    string        `json:"discard,omitempty"`
	Header     []string      `json:"header,omitempty"` // of the message as it would be queued
}

// Answer is what a client would read.
type Answer struct {
	Verb  string `json:"verb"` // "connect", or the command: "RCPT TO:<a@b.test>"
	Reply string `json:"reply"`
}

// End is somebody who would get the message.
type End struct {
	To     string `json:"to"`
	Given  string `json:"given"`            // the recipient that led to it
	Sender string `json:"sender,omitempty"` // the rewritten one that the next hop would see
}

// Outside is what a run needs beside the service: facts that answer and change nothing, and the DNS.
type Outside struct {
	Facts    policy.Facts
	Resolver resolver.Resolver
}

// Explain runs a case through the service as it stands. Nothing is queued; filters and policy servers are asked as for any mail.
func (s *Service) Explain(ctx context.Context, o Outside, c Case) Explanation {
	run := *s
	run.Facts, run.Trails, run.Metrics, run.Log = o.Facts, nil, nil, slog.New(slog.DiscardHandler)
	run.explaining = &policy.Trail{Now: s.Now}
	e := &explanation{Service: &run, Case: c}
	run.Next = e
	e.run(ctx, o.Resolver)
	e.Steps = run.explaining.Steps()
	return e.Explanation
}

// explanation is a run; it is the carrier behind it too.
type explanation struct {
	*Service
	Case
	Explanation
}

func (e *explanation) say(verb string, ok reply.Reply, err error) bool {
	if err != nil {
		ok = reply.For(err)
	}
	e.Replies = append(e.Replies, Answer{verb, ok.String()})
	return err == nil
}

func (e *explanation) run(ctx context.Context, names smtpd.Resolver) {
	start := e.now()
	e.Client.Name = smtpd.VerifiedName(ctx, names, e.Client.Addr.Addr())
	answer := e.Client.Name
	if answer == "" {
		answer = "no name that leads back"
	}
	e.explaining.Add(step("connect", "client name", e.Client.Addr.Addr().String(), answer, e.now().Sub(start)))
	session, err := e.Connect(ctx, &e.Client)
	if err != nil {
		e.say("connect", reply.Reply{}, err)
		return
	}
	defer session.Close()
	env := &mail.Envelope{ID: mail.NewID(e.now()), From: e.From, Client: e.Client, Arrived: e.now()}
	if e.Message != nil {
		env.Size = e.Message.Size()
	}
	opened, err := session.Mail(ctx, env)
	if !e.say("MAIL FROM:"+e.From.Wire(), reply.MailOK, err) {
		return
	}
	defer opened.Close()
	e.transaction(ctx, opened.(*transaction), env)
}

// transaction goes on behind MAIL.
func (e *explanation) transaction(ctx context.Context, t *transaction, env *mail.Envelope) {
	for _, to := range e.To {
		r := mail.Recipient{To: to, Given: to}
		if e.say("RCPT TO:"+to.Wire(), reply.RcptOK, t.Rcpt(ctx, r)) {
			env.Recipients = append(env.Recipients, r)
		}
	}
	t.trails.text = e.explaining
	if len(env.Recipients) == 0 || e.Message == nil {
		t.noteFilters(t.filters.Notes())
		e.noteSPF(ctx, t)
	}
	switch {
	case len(env.Recipients) == 0:
	case e.Message == nil:
		e.preview(ctx, t)
	default:
		e.text(ctx, t, env)
	}
	e.Discard = t.effects.Discard
}

// noteSPF waits for what the message itself would wait for.
func (e *explanation) noteSPF(ctx context.Context, t *transaction) {
	if t.spf != nil {
		start := e.now()
		r := t.spf.wait(ctx)
		e.explaining.Add(step("mail", "spf", r.Domain, strings.TrimSpace(string(r.Status)+" "+why(r.Err)), e.now().Sub(start)))
	}
}

// preview is what would become of recipients that were taken, as far as it is known without a text.
func (e *explanation) preview(ctx context.Context, t *transaction) {
	if t.effects.Discard != "" {
		return
	}
	d := t.newDraft(&mail.Message{})
	t.affect(d)
	recipients, _, err := t.expand(d.recipients)
	if err != nil {
		e.say("the recipients", reply.Reply{}, err)
		return
	}
	d.env.Recipients = t.forward(d.env.From, recipients)
	e.keep(&d.env)
}

// text goes on to the final dot.
func (e *explanation) text(ctx context.Context, t *transaction, env *mail.Envelope) {
	if !e.say("DATA", reply.StartMail, t.Data(ctx)) {
		return
	}
	msg := *e.Message
	env.Size = msg.Size()
	msg.Header.Prepend(mail.ReceivedField(env, e.Hostname, e.now()))
	e.say("the message", reply.OK.With("Ok: queued as %s", env.ID), t.Message(ctx, &msg))
}

// Carry notes what would have been queued.
func (e *explanation) Carry(_ context.Context, env *mail.Envelope, msg *mail.Message) mail.Outcome {
	e.keep(env)
	for _, f := range msg.Header.Fields() {
		e.Header = append(e.Header, string(f))
	}
	return mail.All(len(env.Recipients), mail.Result{Status: mail.Relayed})
}

func (e *explanation) keep(env *mail.Envelope) {
	e.Hold = env.Hold
	for _, r := range env.Recipients {
		end := End{To: r.To.String(), Given: r.Given.String()}
		if r.Sender != nil {
			end.Sender = r.Sender.String()
		}
		e.Recipients = append(e.Recipients, end)
	}
}
