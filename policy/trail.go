// SPDX-License-Identifier: MIT

package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxSteps bounds a Trail, maxWords each of its texts, in octets.
const (
	maxSteps = 200
	maxWords = 300
)

// Step is one rule and its verdict, or one question that it asked and the answer.
type Step struct {
	At     string        `json:"at"`             // the verb: rcpt, data
	List   string        `json:"list,omitempty"` // recipient_restrictions
	Rule   string        `json:"rule,omitempty"` // reject_rbl_client zen.spamhaus.org
	Asked  string        `json:"asked,omitempty"`
	Answer string        `json:"answer"`
	Took   time.Duration `json:"took"` // nanoseconds
}

// Trail is what was asked about one message and what was answered, in order, to its first 200 steps. Several goroutines may
// write to it; a nil Trail takes nothing and costs nothing. A Trail is not copied.
type Trail struct {
	Now func() time.Time // [time.Now]

	mu    sync.Mutex
	steps []Step
	in    Step // the rule that is being asked
}

// Add notes a step. What it does not say of place and rule is that of the rule that is being asked.
func (t *Trail) Add(s Step) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.steps) == maxSteps {
		return
	}
	if s.At == "" {
		s.At, s.List, s.Rule = t.in.At, t.in.List, t.in.Rule
	}
	if t.steps == nil {
		t.steps = make([]Step, 0, 32)
	}
	s.Rule, s.Asked, s.Answer = cut(s.Rule), cut(s.Asked), cut(s.Answer)
	t.steps = append(t.steps, s)
}

// cut copies: what is left must not keep a filter's long reply in memory as long as the trail is kept.
func cut(s string) string {
	if len(s) > maxWords {
		return strings.Clone(s[:maxWords])
	}
	return s
}

// Steps are the steps so far.
func (t *Trail) Steps() []Step {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.steps)
}

// MarshalJSON is the list of steps.
func (t *Trail) MarshalJSON() ([]byte, error) { return json.Marshal(append([]Step{}, t.Steps()...)) }

func (t *Trail) now() time.Time {
	if t == nil {
		return time.Time{}
	}
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

// rule begins a rule; what it returns ends it with the verdict, which warn_if_reject may have undone.
func (t *Trail) rule(q *Question, words string) func(v Verdict, warned bool) {
	if t == nil {
		return func(Verdict, bool) {}
	}
	t.mu.Lock()
	outer := t.in
	t.in = Step{At: q.Stage.String(), List: q.stance.String(), Rule: words}
	t.mu.Unlock()
	start := t.now()
	return func(v Verdict, warned bool) {
		t.Add(Step{Answer: v.answer(warned), Took: t.now().Sub(start)})
		t.mu.Lock()
		t.in = outer
		t.mu.Unlock()
	}
}

// answer is the verdict in a trail: "reject 554 5.7.1 ...".
func (v Verdict) answer(warned bool) string {
	s := v.Action.String()
	if v.Reply.Code != 0 {
		s += " " + v.Reply.String()
	}
	if v.fault && v.Reply.Cause != nil {
		s += " (" + v.Reply.Cause.Error() + ")"
	}
	if warned {
		s = "only warned of: " + s
	}
	return s
}
