// SPDX-License-Identifier: MIT

package alias

import (
	"fmt"
	"slices"
	"strings"

	"posthouse/mail"
)

// Expand follows the tables to the end. Errors wrap ErrLoop or ErrLimit.
func (s *Snapshot) Expand(to mail.Path) (Result, error) {
	if to.Domain() == "" && s.o.Postmaster != "" {
		to = to.WithDomain(s.o.Postmaster)
	}
	if _, found := s.match(to); !found { // as most do that are only relayed: no need to keep account
		return only(ending(s, to, nil)), nil
	}
	x := expansion{s: s, done: make(map[string]bool), itself: make(map[string]bool)}
	if err := x.follow(to, nil, nil); err != nil {
		return Result{}, fmt.Errorf("alias %s: %w", to, err)
	}
	return x.out, nil
}

// only is the result of an address that stands for itself.
func only(t Target) Result {
	if t.Kind == Dead {
		return Result{Dead: []Target{t}}
	}
	return Result{Targets: []Target{t}}
}

// fold is the address as far as it is told from others here: as in Postfix, without regard to case.
func fold(p mail.Path) string { return strings.ToLower(p.Local()) + "@" + p.Domain() }

// expansion is the state of one Expand.
type expansion struct {
	s      *Snapshot
	done   map[string]bool // expanded, or an end
	itself map[string]bool // those that some line maps to themselves among others: they are ends
	count  int
	out    Result
}

// follow expands one address. way is the addresses that led to it, steps the lines.
func (x *expansion) follow(to mail.Path, way []string, steps []string) error {
	if x.itself[fold(to)] {
		x.end(ending(x.s, to, steps))
		return nil
	}
	if slices.Contains(way, fold(to)) {
		return fmt.Errorf("%w through %s", ErrLoop, to)
	}
	if x.done[fold(to)] { // by another line: its ends are known
		return nil
	}
	if x.count++; x.count > maxExpansions || len(way) >= maxDepth {
		return fmt.Errorf("%w: more than %d addresses or %d steps", ErrLimit, maxExpansions, maxDepth)
	}
	m, found := x.s.match(to)
	if !found {
		x.end(ending(x.s, to, steps))
		return nil
	}
	way = append(slices.Clip(way), fold(to))
	return x.branch(m, to, way, steps)
}

// branch follows each element of the line that matched an address.
func (x *expansion) branch(m match, to mail.Path, way []string, steps []string) error {
	elements := m.elements(to, x.s.o.Delimiter)
	for _, e := range elements {
		if e.kind == Foreign && fold(e.to) == fold(to) {
			x.itself[fold(to)] = true
		}
	}
	for _, e := range elements {
		taken := append(slices.Clip(steps), fmt.Sprintf("%s: %s -> %s", m.where, to, e.text))
		if e.kind != Foreign {
			x.end(x.s.judge(Target{To: e.to, Kind: e.kind, Steps: taken, Why: e.why}))
			continue
		}
		if err := x.follow(e.to, way, taken); err != nil {
			return err
		}
	}
	x.done[fold(to)] = true
	return nil
}

// ending is the end that an address without a further line is.
func ending(s *Snapshot, to mail.Path, steps []string) Target {
	t := Target{To: to, Steps: steps}
	switch {
	case s.IsMailbox(to.Domain()):
		t.Kind = Mailbox
	case s.IsAlias(to.Domain()):
		t.Kind, t.Why = Dead, "no alias, in a domain that has nothing else"
	}
	return t
}

// judge looks at a bare name: in a domain of aliases alone there is no store for it to be a user of.
func (s *Snapshot) judge(t Target) Target {
	if t.Kind == User && !s.IsMailbox(t.To.Domain()) && s.IsAlias(t.To.Domain()) {
		t.Kind, t.Why = Dead, "a bare name is a mailbox, and its domain has none"
	}
	return t
}

// end notes an end, the first time that it is reached.
func (x *expansion) end(t Target) {
	same := func(o Target) bool { return o.To == t.To && (t.To != mail.Path{} || slices.Equal(o.Steps, t.Steps)) }
	switch t.Kind {
	case Discard:
		x.out.Discarded = true
		x.out.Discards = append(x.out.Discards, t)
	case Dead:
		if !slices.ContainsFunc(x.out.Dead, same) {
			x.out.Dead = append(x.out.Dead, t)
		}
	default:
		if !x.done[fold(t.To)] {
			x.out.Targets = append(x.out.Targets, t)
		}
		x.done[fold(t.To)] = true
	}
}
