// SPDX-License-Identifier: MIT

package smtpin

import (
	"strings"
	"time"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/milter"
	"posthouse/policy"
	"posthouse/reply"
)

// trails are what was asked in one transaction: at MAIL, about the last recipient, about the text. The recipients have one
// each, so that the fiftieth has room for its own story.
type trails struct{ mail, rcpt, text *policy.Trail }

// newTrail is an empty one, nil if nobody will ask.
func (s *Service) newTrail() *policy.Trail {
	switch {
	case s.explaining != nil:
		return s.explaining
	case s.Trails == nil:
		return nil
	}
	return &policy.Trail{Now: s.Now}
}

func (t *trails) steps() []policy.Step {
	out := t.mail.Steps()
	for _, next := range []*policy.Trail{t.rcpt, t.text} {
		if next != t.mail {
			out = append(out, next.Steps()...)
		}
	}
	return out
}

// refused remembers how a refusal came about. at is the verb that it answers; to is the recipient, if it is about one.
func (t *transaction) refused(at string, to mail.Path, err error) error {
	s := t.service
	if s.explaining != nil && at == "mail" { // the run ends here, and Reset forgets what they said
		for _, n := range t.filters.Notes() {
			s.explaining.Add(filterStep(n))
		}
	}
	if s.Trails == nil || s.explaining != nil {
		return err
	}
	if at != "data" && at != "message" {
		t.trails.text = nil
	}
	steps := t.trails.steps()
	if at != "message" { // there they stand already
		for _, n := range t.filters.Notes() {
			steps = append(steps, filterStep(n))
		}
	}
	s.Trails.Add(policy.Record{
		ID: t.env.ID, Time: s.now(), Client: t.client.Addr.Addr().String(), HELO: t.client.HELO, From: t.env.From.String(),
		To: to.String(), Reply: reply.For(err).String(), Steps: steps,
	})
	return err
}

// note writes down what was decided about the text.
func (t *transaction) note(at, rule, answer string) { t.trails.text.Add(step(at, rule, "", answer, 0)) }

func filterStep(n milter.Note) policy.Step {
	return step(n.Stage, "milter "+n.Milter, "", n.Answer, n.Took)
}

// noteFilters writes down what the filters answered.
func (t *transaction) noteFilters(notes []milter.Note) {
	for _, n := range notes {
		t.trails.text.Add(filterStep(n))
	}
}

func step(at, rule, asked, answer string, took time.Duration) policy.Step {
	return policy.Step{At: at, Rule: rule, Asked: asked, Answer: answer, Took: took}
}

// noteEnds writes down who gets the mail, where all is to be seen.
func (t *transaction) noteEnds(g given, result alias.Result) {
	if t.service.explaining == nil {
		return
	}
	for _, ends := range [][]alias.Target{result.Targets, result.Dead, result.Discards} {
		for _, end := range ends {
			answer := end.To.String() + " (" + end.Kind.String() + ")"
			if len(end.Steps) > 0 {
				answer += " by " + strings.Join(end.Steps, ", ")
			}
			if end.Why != "" {
				answer += " (" + end.Why + ")"
			}
			t.service.explaining.Add(step("expand", "virtual_alias_maps", g.To.String(), answer, 0))
		}
	}
}

// written is facts whose answers are written down. What is known without asking anybody is written down only where all is to be seen.
func written(f policy.Facts, trail *policy.Trail, all bool) policy.Facts {
	noted := policy.Explained(f, trail)
	if all || trail == nil {
		return noted
	}
	return &asked{noted, f}
}

type asked struct {
	policy.Facts
	plain policy.Facts
}

func (a *asked) Trusted(c *mail.Client) bool  { return a.plain.Trusted(c) }
func (a *asked) Local(c *mail.Client) bool    { return a.plain.Local(c) }
func (a *asked) Authorised(to mail.Path) bool { return a.plain.Authorised(to) }
func (a *asked) Final(domain string) bool     { return a.plain.Final(domain) }
