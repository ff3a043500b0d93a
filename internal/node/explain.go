// SPDX-License-Identifier: MIT

package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/internal/admin"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/smtpin"
)

// The verbs of smtp-in's control socket that are its own.
const (
	VerbExplain = "explain"
	VerbTrails  = "trails"
)

// Case is a message that nobody has sent, for explain.
type Case struct {
	Client  netip.Addr  `json:"client"`
	HELO    string      `json:"helo"`
	From    mail.Path   `json:"from"`
	To      []mail.Path `json:"to"`
	Message []byte      `json:"message,omitempty"` // nil: the dialogue ends before DATA
}

// MaxExplained is how long the text of a Case may be, in octets: it has to fit into one request.
const MaxExplained = 700 << 10

// Wanted are kept trails: those of one message, or the last few.
type Wanted struct {
	ID   mail.ID `json:"id,omitempty"`
	Last int     `json:"last,omitempty"`
}

// Explain runs a case through smtp-in as this node has it: in the process that runs it, with all that it has learnt, or, if none
// does, by its files alone.
func (c *Cluster) Explain(ctx context.Context, wanted Case) (e smtpin.Explanation, live bool, err error) {
	err = admin.Call(ctx, c.ControlSocket(SMTPIn), VerbExplain, wanted, func(line json.RawMessage) error {
		return json.Unmarshal(line, &e)
	})
	if !errors.Is(err, admin.ErrNotRunning) {
		return e, true, err
	}
	e, err = c.explainStopped(ctx, wanted)
	return e, false, err
}

// Trails are why the running smtp-in refused messages, the oldest first.
func (c *Cluster) Trails(ctx context.Context, wanted Wanted) (all []policy.Record, err error) {
	err = admin.Call(ctx, c.ControlSocket(SMTPIn), VerbTrails, wanted, func(line json.RawMessage) error {
		var r policy.Record
		err := json.Unmarshal(line, &r)
		all = append(all, r)
		return err
	})
	return all, err
}

// explainStopped opens what the service would open, queue and sockets aside.
func (c *Cluster) explainStopped(ctx context.Context, wanted Case) (e smtpin.Explanation, err error) {
	p := &process{Options: Options{Log: slog.New(slog.DiscardHandler), Outside: true}, registry: prometheus.NewRegistry(), first: c}
	if p.current, err = p.newSnapshot(c); err != nil {
		return e, err
	}
	s := p.newService(SMTPIn, planSMTPIn)
	if s.dir, err = copied(s.dir); err != nil {
		return e, err
	}
	defer os.RemoveAll(s.dir)
	defer func() { err = errors.Join(err, s.standing.close()) }()
	w, err := s.open(p.current)
	if err != nil {
		return e, err
	}
	s.take(w)
	defer w.routes.close()
	return s.explain(ctx, wanted)
}

// copied is a folder of our own with what the service knows of the greylist: to open its files would change them.
func copied(dir string) (string, error) {
	own, err := os.MkdirTemp("", "posthouse-explain-")
	if err != nil {
		return "", err
	}
	from := filepath.Join(dir, "greylist")
	if _, err := os.Stat(from); err != nil {
		return own, nil
	}
	if err := os.CopyFS(filepath.Join(own, "greylist"), os.DirFS(from)); err != nil {
		return "", errors.Join(err, os.RemoveAll(own))
	}
	return own, nil
}

// explain runs a case through the way in force.
func (s *service) explain(ctx context.Context, wanted Case) (smtpin.Explanation, error) {
	w := s.way.Load()
	rules, ok := w.rules.(*smtpin.Service)
	if !ok {
		return smtpin.Explanation{}, fmt.Errorf("%s has nothing to explain: ask smtp-in", s.label)
	}
	c := smtpin.Case{From: wanted.From, To: wanted.To}
	c.Client = mail.Client{Addr: netip.AddrPortFrom(wanted.Client.Unmap(), 0), HELO: wanted.HELO, Protocol: "ESMTP"}
	if wanted.Message != nil {
		msg, err := mail.ReadMessage(bytes.NewReader(wanted.Message), MaxExplained)
		if err != nil {
			return smtpin.Explanation{}, err
		}
		c.Message = msg
	}
	return rules.Explain(ctx, w.outside, c), nil
}

// explainVerbs are the control socket's.
func (s *service) explainVerbs(verbs map[string]admin.Handler) {
	verbs[VerbExplain] = func(ctx context.Context, args json.RawMessage, reply func(any) error) error {
		var c Case
		if err := json.Unmarshal(args, &c); err != nil {
			return err
		}
		e, err := s.explain(ctx, c)
		if err != nil {
			return err
		}
		return reply(e)
	}
	verbs[VerbTrails] = func(_ context.Context, args json.RawMessage, reply func(any) error) error {
		var wanted Wanted
		if err := json.Unmarshal(args, &wanted); err != nil {
			return err
		}
		return s.trails(wanted, reply)
	}
}

func (s *service) trails(wanted Wanted, reply func(any) error) error {
	found := s.standing.trails.Last(wanted.Last)
	if wanted.ID != "" {
		found = s.standing.trails.Find(wanted.ID)
	}
	if len(found) == 0 && wanted.ID != "" {
		return fmt.Errorf("nothing is known of %s: kept are the last 1000 refusals since the service started, and no mail that was taken", wanted.ID)
	}
	for _, r := range found {
		if err := reply(r); err != nil {
			return err
		}
	}
	return nil
}
