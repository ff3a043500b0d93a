// SPDX-License-Identifier: MIT

package content

import (
	"errors"
	"slices"
	"strings"

	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
	"posthouse/table"
)

// What one message may make of the tables: strangers choose how often a pattern matches.
const (
	maxHits  = 50
	maxBcc   = 100
	maxAdded = 4 << 20 // octets of PREPEND and REPLACE
)

// examination is one message's.
type examination struct {
	checks Checks
	result Result
	added  int
	over   bool // REJECT, DISCARD, PASS or REDIRECT: nothing more is asked
}

// edit is what becomes of a field or a piece of a line; before and a field's text end in CRLF. Zero leaves it.
type edit struct {
	before, text  string
	replace, drop bool
}

// ask looks a key up and obeys. Postfix asks nothing about an empty line.
func (x *examination) ask(v table.View, where, key string) edit {
	if x.over || v == nil || key == "" {
		return edit{}
	}
	value, line, ok := v.Lookup(key)
	if !ok {
		return edit{}
	}
	a, err := parseAction(value, where)
	if err != nil {
		x.fault(line + ": " + err.Error())
		if a.word != "REJECT" { // whose code was wrong: it rejects all the same
			return edit{}
		}
	}
	h := Hit{Where: where, Text: printable(a.text, maxText), Table: line}
	if where != "body" { // which is nobody's business, and hits end in the log
		h.Line = printable(key, 200)
	}
	return x.obey(a, h)
}

func (x *examination) obey(a action, h Hit) edit {
	switch a.word {
	case "DUNNO", "OK":
		return edit{}
	case "IGNORE":
		return edit{drop: true}
	case "STRIP":
		x.hit("strip", h)
		return edit{drop: true}
	case "PREPEND":
		x.hit("prepend", h)
		return x.grow(edit{before: written(a.text, h.Where)})
	case "REPLACE":
		x.hit("replace", h)
		return x.grow(edit{text: written(a.text, h.Where), replace: true})
	case "REJECT":
		h.Text = a.reply.Enhanced + " " + a.reply.Text
		x.hit("reject", h)
		x.refuse(a.reply, h)
	default:
		x.affect(a, h)
	}
	return edit{}
}

// affect does what concerns the whole message.
func (x *examination) affect(a action, h Hit) {
	e := &x.result.Effects
	switch a.word {
	case "WARN":
		x.hit("warning", h)
	case "INFO":
		x.hit("info", h)
	case "PASS":
		x.hit("pass", h)
		x.result.Pass, x.over = true, true
	case "DISCARD":
		x.hit("discard", h)
		e.Discard, x.over = reason(h), true
		x.result.Verdict = policy.Verdict{Action: policy.Discard, Rule: rule(h)}
	case "HOLD":
		if e.Hold == "" {
			x.hit("hold", h)
			e.Hold = reason(h)
		}
	case "REDIRECT":
		x.hit("redirect", h)
		e.Redirect, x.over = &a.path, true
	case "BCC":
		if len(e.Bcc) < maxBcc && !slices.Contains(e.Bcc, a.path) {
			x.hit("bcc", h)
			e.Bcc = append(e.Bcc, a.path)
		}
	}
}

func (x *examination) refuse(r reply.Reply, h Hit) {
	v := policy.Verdict{Action: policy.Reject, Reply: r.Because(errors.New(h.subject())), Rule: rule(h)}
	if r.Temporary() {
		v.Action = policy.Defer
	}
	x.result.Verdict, x.over = v, true
}

// grow counts what is added. A message in which it becomes too much is refused, as Postfix refuses one whose queue file
// grows beyond message_size_limit.
func (x *examination) grow(e edit) edit {
	if x.added += len(e.before) + len(e.text); x.added > maxAdded {
		x.result.Verdict = policy.Verdict{Action: policy.Reject, Reply: reply.ContentGrown, Rule: "PREPEND, REPLACE"}
		x.over = true
		return edit{}
	}
	return e
}

// tooDeep refuses what could hide a part from header_checks, as Postfix does.
func (x *examination) tooDeep() {
	if !x.over && (x.checks.Mime != nil || x.checks.Nested != nil) {
		x.result.Verdict = policy.Verdict{Action: policy.Reject, Reply: reply.ContentNested, Rule: "header_checks"}
		x.over = true
	}
}

func (x *examination) hit(action string, h Hit) {
	h.Action = action
	if len(x.result.Hits) < maxHits {
		x.result.Hits = append(x.result.Hits, h)
	}
}

func (x *examination) fault(text string) {
	if len(x.result.Faults) < maxHits && !slices.Contains(x.result.Faults, text) {
		x.result.Faults = append(x.result.Faults, text)
	}
}

func rule(h Hit) string { return h.Where + "_checks " + h.Table }

func reason(h Hit) string {
	if h.Text != "" {
		return h.Text
	}
	return rule(h)
}

// written is a text of the table as it goes into the message. $1 may have brought the folds of a field; other controls
// never get out.
func written(text, where string) string {
	if where == inBody {
		return blanks(text) + "\r\n"
	}
	name, value, _ := strings.Cut(text, ":")
	if !strings.ContainsFunc(text, func(r rune) bool { return blank(r) != r }) {
		return text + "\r\n"
	}
	return string(mail.NewField(strings.TrimRight(name, " \t"), strings.ReplaceAll(value, "\n", "\r\n")))
}

// blanks makes blanks of controls, octet by octet: what is not UTF-8 stays as it came.
func blanks(s string) string {
	b := []byte(s)
	for i, c := range b {
		if blank(rune(c)) != rune(c) {
			b[i] = ' '
		}
	}
	return string(b)
}

func blank(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f {
		return ' '
	}
	return r
}
