// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"fmt"
	"time"

	"posthouse/mail"
	"posthouse/reply"
	"posthouse/smtpclient"
)

// Holds is how long an answer about an address serves: after Refresh it is asked for anew, but serves until Expire if there is
// no better one then.
type Holds struct{ Refresh, Expire time.Duration }

// VerifierOptions of a Verifier; zero values mean what is in brackets. The times are Postfix's address_verify_*.
type VerifierOptions struct {
	Route    func(ctx context.Context, to mail.Path) (Route, error)         // the way its mail would go [MX]
	Local    func(ctx context.Context, to mail.Path) (ours bool, err error) // our own addresses, answered from tables [none]
	Positive Holds                                                          // [7 days, 31 days]
	Negative Holds                                                          // [3 hours, 3 days]
	Unsure   time.Duration                                                  // a 4yz to RCPT [1 minute]
	Timeout  time.Duration                                                  // of a question [30s]
	Total    int                                                            // questions under way [100]
	PerHop   int                                                            // of these, to one next hop [5]
	Verdicts *Verdicts                                                      // what is known already [nothing]
}

// Verifier asks the servers of addresses whether they take mail (Postfix's address verification, ADDRESS_VERIFICATION_README):
// a conversation up to RCPT, from <>, along the way that mail would go, so that a server which verifies too asks nobody about
// our question. It is safe for use by many at once.
type Verifier struct {
	relay *Relay
	o     VerifierOptions
	known *Verdicts
	turns *turns
}

// Verifier makes one over the relay's connections. Verifiers that follow one another may have the same Verdicts: what is known does not
// depend on who has asked.
func (r *Relay) Verifier(o VerifierOptions) *Verifier {
	o = o.defaults()
	if o.Verdicts == nil {
		o.Verdicts = NewVerdicts(r.o.Now, 0)
	}
	return &Verifier{relay: r, o: o, known: o.Verdicts, turns: newTurns(o.Total, o.PerHop)}
}

func (o VerifierOptions) defaults() VerifierOptions {
	const day = 24 * time.Hour
	if o.Route == nil {
		o.Route = func(context.Context, mail.Path) (Route, error) { return MX(""), nil }
	}
	if o.Local == nil {
		o.Local = func(context.Context, mail.Path) (bool, error) { return false, nil }
	}
	if o.Positive == (Holds{}) {
		o.Positive = Holds{7 * day, 31 * day}
	}
	if o.Negative == (Holds{}) {
		o.Negative = Holds{3 * time.Hour, 3 * day}
	}
	if o.Unsure <= 0 {
		o.Unsure = time.Minute
	}
	if o.Timeout <= 0 {
		o.Timeout = askFor
	}
	if o.Total <= 0 {
		o.Total = 100
	}
	if o.PerHop <= 0 {
		o.PerHop = 5
	}
	return o
}

// Verify is nil if the address takes mail; otherwise a reply, 5yz if it does not, 4yz if that is not known. The client waits
// for our reply to RCPT meanwhile. <> always takes mail.
func (v *Verifier) Verify(ctx context.Context, to mail.Path) error {
	if to.IsNull() {
		return nil
	}
	if ours, err := v.o.Local(ctx, to); ours || err != nil {
		return err
	}
	if r, ok := v.fresh(to); ok {
		return verified(r)
	}
	ctx, cancel := context.WithTimeout(ctx, v.o.Timeout)
	defer cancel()
	r := v.ask(ctx, to)
	if old, ok := v.outlives(to, r); ok {
		return verified(old)
	}
	return verified(r)
}

func verified(r reply.Reply) error {
	if r.Code/100 == 2 {
		return nil
	}
	return r
}

// fresh is an answer that need not be asked for anew.
func (v *Verifier) fresh(to mail.Path) (reply.Reply, bool) {
	r, age, ok := v.known.of(to)
	return r, ok && age < v.holds(r).Refresh
}

// outlives is an older answer that a new one does not replace: a 4yz replaces nothing, and a no replaces a yes only when that
// expires (verify.c of Postfix), so that a server which once refuses all does not make its addresses unknown.
func (v *Verifier) outlives(to mail.Path, r reply.Reply) (old reply.Reply, ok bool) {
	old, age, ok := v.known.of(to)
	if !ok || old.Temporary() || age >= v.holds(old).Expire {
		return reply.Reply{}, false
	}
	return old, r.Temporary() || old.Code/100 == 2 && r.Permanent()
}

func (v *Verifier) holds(r reply.Reply) Holds {
	switch r.Code / 100 {
	case 2:
		return v.o.Positive
	case 5:
		return v.o.Negative
	}
	return Holds{Refresh: v.o.Unsure}
}

// ask waits for a turn. Whoever waited behind a question about the same address finds its answer.
func (v *Verifier) ask(ctx context.Context, to mail.Path) reply.Reply {
	route, err := v.o.Route(ctx, to)
	if err != nil {
		return smtpclient.Soften(reply.For(err))
	}
	hop := route.String()
	if route.mx && route.host == "" {
		hop = to.Domain()
	}
	if err := v.turns.enter(ctx, hop); err != nil {
		return reply.NoContact.With("Address verification is busy").Because(err)
	}
	defer v.turns.leave(hop)
	if r, ok := v.fresh(to); ok {
		return r
	}
	r, said := v.probe(ctx, to, route)
	if _, ok := v.outlives(to, r); said && !ok {
		v.known.add(to, r)
	}
	return r
}

// probe asks one host after the other until one says yes or no. said: it is what a server or the DNS says of the address,
// and not that we could not ask.
func (v *Verifier) probe(ctx context.Context, to mail.Path, route Route) (r reply.Reply, said bool) {
	targets, no := v.relay.targets(ctx, to.Domain(), route)
	if no != nil {
		return no.reply, no.status == mail.Failed
	}
	last, said := reply.NoContact, false
	for _, t := range v.relay.dead.living(targets) {
		r, err := v.relay.ask(ctx, t, to)
		switch {
		case ctx.Err() != nil:
			return reply.NoContact.With("Address verification takes too long").Because(context.Cause(ctx)), false
		case err != nil && !said:
			last = smtpclient.Soften(reply.For(err))
		case err == nil && !r.Temporary():
			return r, true
		case err == nil:
			last, said = r.Because(fmt.Errorf("said by %s", t)), true
		}
	}
	return last, said
}
