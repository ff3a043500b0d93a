// SPDX-License-Identifier: MIT

package srstable

import (
	"errors"
	"strings"

	"posthouse/mail"
	"posthouse/srs"
)

// answer is what a table holds for a key: an address, or why there is none. The words are PostSRSd's.
type answer struct{ address, why string }

func notFound(why string) answer { return answer{why: why} }

// question is one of the two tables.
type question func(key string) answer

// forward is the sender that mail goes on with.
func (s *Server) forward(key string) answer {
	if !strings.Contains(key, "@") {
		return notFound("No at sign in sender address")
	}
	sender, err := mail.ParseAddress(key)
	if err != nil {
		return notFound("Not a mail address")
	}
	if s.options.Rewriter.Excludes(sender.Domain()) {
		return notFound("Domain excluded by policy")
	}
	if srs.Tagged(sender) {
		if _, err := s.options.Rewriter.Undo(sender); err == nil {
			return notFound("Already rewritten")
		}
	}
	if !s.options.AlwaysRewrite && sender.Domain() == s.options.Rewriter.Domain() {
		return answer{address: key}
	}
	there, err := s.options.Rewriter.Rewrite(sender)
	if err != nil {
		s.refused("forward", key, err)
		return notFound(reason(err))
	}
	s.done("forward", key, there)
	return answer{address: there.String()}
}

// reverse is where a bounce goes.
func (s *Server) reverse(key string) answer {
	to, err := mail.ParseAddress(key)
	if err != nil || !srs.Tagged(to) {
		return notFound("Not an SRS address.")
	}
	home, err := s.options.Rewriter.Undo(to)
	if err != nil {
		s.refused("reverse", key, err)
		return notFound(reason(err))
	}
	s.done("reverse", key, home)
	return answer{address: home.String()}
}

// reason is PostSRSd's word for an error of package srs.
func reason(err error) string {
	switch {
	case errors.Is(err, srs.ErrHash):
		return "Hash invalid in SRS address."
	case errors.Is(err, srs.ErrExpired):
		return "Time stamp out of date."
	case errors.Is(err, srs.ErrTooLong):
		return "Rewritten address too long."
	}
	return "Malformed SRS address."
}

// refused says what Postfix leaves as it is, and why: it does not show our words itself.
func (s *Server) refused(table, key string, err error) {
	s.options.Log.Info("not rewritten", "table", table, "address", key, "why", reason(err))
}

func (s *Server) done(table, key string, to mail.Path) {
	if s.options.Verbose {
		s.options.Log.Info("rewritten", "table", table, "address", key, "as", to.String())
	}
}
