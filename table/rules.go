// SPDX-License-Identifier: MIT

package table

import (
	"errors"
	"fmt"
	"iter"
	"strings"
)

// test is one condition of a table that is searched from top to bottom.
type test interface {
	// applies is whether the condition can be asked at all; if not, ! does not make it hold either.
	applies(s subject) bool
	match(s subject) bool
	// groups is where the parts of s.text are that a result may name, as regexp.FindStringSubmatchIndex has them.
	groups(s subject) []int
	// count is how many such parts there are.
	count() int
}

// rule is one line: a condition with its result, or an if.
type rule struct {
	test    test
	negate  bool
	pattern string // as written
	result  template
	entry   Entry
	opens   bool // an if
	next    int  // where to go on when the condition does not hold
}

// rulesView is a regexp, pcre or cidr table.
type rulesView struct {
	rules   []rule
	subject func(key string) (subject, bool)
}

func (v *rulesView) Lookup(key string) (value, where string, ok bool) {
	s, ok := v.subject(key)
	if !ok {
		return "", "", false
	}
	for i := 0; i < len(v.rules); {
		r := &v.rules[i]
		switch {
		case !r.test.applies(s) || r.test.match(s) == r.negate:
			i = r.next
		case r.opens:
			i++
		default:
			return r.value(s), r.entry.Where, true
		}
	}
	return "", "", false
}

func (r *rule) value(s subject) string {
	if r.result == nil {
		return r.entry.Value
	}
	return r.result.expand(s.text, r.test.groups(s))
}

func (v *rulesView) All() iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for _, r := range v.rules {
			if !r.opens && !yield(r.pattern, r.entry) {
				return
			}
		}
	}
}

// compiler reads rules; open holds the ifs that wait for their endif.
type compiler struct {
	*source
	condition func(text string) (t test, pattern, rest string, err error)
	rules     []rule
	open      []opened
}

type opened struct {
	index int
	line  line
}

func (s *source) rules(k kind, text string) View {
	c := compiler{source: s, condition: conditions[k]}
	for l := range s.bounded(logicalLines(text), maxRules) {
		if err := c.line(l); err != nil {
			s.complain(l, err.Error())
		}
	}
	for _, o := range c.open {
		s.complain(o.line, "this if has no endif")
	}
	v := &rulesView{rules: c.rules, subject: textSubject}
	if k == cidrKind {
		v.subject = addressSubject
	}
	return v
}

func (c *compiler) line(l line) error {
	if rest, ok := keyword(l.text, "endif"); ok {
		return c.endif(rest)
	}
	text, opens := keyword(l.text, "if")
	if !opens {
		text = l.text
	}
	r, rest, err := c.rule(text)
	if opens { // even a broken one wants its endif
		c.open = append(c.open, opened{len(c.rules), l})
	}
	if err == nil && !opens {
		err = r.setResult(rest)
	} else if err == nil && rest != "" {
		err = fmt.Errorf("nothing may stand behind the condition of an if: %s", rest)
	}
	r.opens, r.next, r.entry.Where = opens, len(c.rules)+1, c.where(l)
	c.rules = append(c.rules, r)
	return err
}

func (c *compiler) endif(rest string) error {
	if len(c.open) == 0 {
		return errors.New("this endif has no if")
	}
	last := len(c.open) - 1
	c.rules[c.open[last].index].next = len(c.rules)
	c.open = c.open[:last]
	if rest != "" {
		return fmt.Errorf("nothing may stand behind endif: %s", rest)
	}
	return nil
}

// rule reads [!]condition and returns what stands behind it.
func (c *compiler) rule(text string) (r rule, rest string, err error) {
	condition := text
	for strings.HasPrefix(condition, "!") {
		condition, r.negate = strings.TrimSpace(condition[1:]), !r.negate
	}
	r.test, r.pattern, rest, err = c.condition(condition)
	if r.negate {
		r.pattern = "!" + r.pattern
	}
	return r, rest, err
}

func (r *rule) setResult(text string) (err error) {
	if text == "" {
		return errors.New("no result behind the condition")
	}
	r.entry.Value = text
	if r.test.count() == 0 && !strings.Contains(text, "$") {
		return nil
	}
	if _, ok := r.test.(network); ok { // cidr results are taken as they are
		return nil
	}
	r.result, err = parseTemplate(text)
	if err != nil {
		return err
	}
	if n := r.result.highest(); n > r.test.count() {
		return fmt.Errorf("the result names $%d, the pattern has %d groups", n, r.test.count())
	} else if n > 0 && r.negate {
		return fmt.Errorf("the result names $%d, but a pattern that must not match has nothing to put there", n)
	}
	return nil
}

// keyword cuts a word like if off a line; case does not count, and the condition may follow at once.
func keyword(text, name string) (rest string, ok bool) {
	if len(text) < len(name) || !strings.EqualFold(text[:len(name)], name) {
		return "", false
	}
	rest = text[len(name):]
	if rest != "" && isAlphanumeric(rest[0]) {
		return "", false
	}
	return strings.TrimSpace(rest), true
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
