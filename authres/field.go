// SPDX-License-Identifier: MIT

package authres

import (
	"slices"
	"strings"

	"posthouse/mail"
)

// Bounds of what is written: a line, a value, and how many properties a method has, as a stranger's message may have much of each.
const (
	maxLine       = 78 // RFC 5322 2.1.1
	maxValue      = 320
	maxMethods    = 20
	maxProperties = 12
)

// Method is the result of one check (RFC 8601 2.2).
type Method struct {
	Name       string // "spf", "dkim", "dmarc", "iprev", "auth"
	Result     string // "pass", "fail", ... (RFC 8601 2.7)
	Comment    string // for people; may be ""
	Reason     string // why, for people; may be ""
	Properties []Property
}

// Property is what a result is about: "smtp.mailfrom=a@b.test" is {"smtp", "mailfrom", "a@b.test"}. One without a value is left
// out.
type Property struct{ Type, Name, Value string }

// Field is the header field for methods, in the order spf, dkim, dmarc, iprev, others; "none" without any.
func Field(id string, methods []Method) mail.Field {
	sorted := slices.Clone(methods)
	slices.SortStableFunc(sorted, func(a, b Method) int { return rank(a.Name) - rank(b.Name) })
	w := writer{column: len("Authentication-Results: ")}
	w.word(value(id))
	if len(sorted) == 0 {
		w.put("; none")
	}
	for _, m := range sorted[:min(len(sorted), maxMethods)] {
		w.put(";")
		w.method(m)
	}
	return mail.NewField("Authentication-Results", w.String())
}

func rank(name string) int {
	if i := slices.Index([]string{"spf", "dkim", "dmarc", "iprev"}, name); i >= 0 {
		return i
	}
	return 4
}

// writer folds between words.
type writer struct {
	strings.Builder
	column int
}

func (w *writer) put(s string) {
	w.WriteString(s)
	w.column += len(s)
}

// word puts s after a blank, or on a line of its own if it would not fit.
func (w *writer) word(s string) {
	switch {
	case w.Len() == 0:
	case w.column+1+len(s) > maxLine-1: // room for the ";"
		w.fold()
	default:
		w.put(" ")
	}
	w.put(s)
}

func (w *writer) fold() {
	w.WriteString("\r\n\t")
	w.column = 8
}

// method begins on a line of its own.
func (w *writer) method(m Method) {
	w.fold()
	w.put(keyword(m.Name) + "=" + keyword(m.Result))
	if c := clean(m.Comment); c != "" {
		for part := range strings.FieldsSeq("(" + escape(c, `()\`) + ")") {
			w.word(part)
		}
	}
	if m.Reason != "" {
		w.word("reason=" + quote(clean(m.Reason)))
	}
	for _, p := range m.Properties[:min(len(m.Properties), maxProperties)] {
		if p.Value != "" {
			w.word(keyword(p.Type) + "." + keyword(p.Name) + "=" + value(p.Value))
		}
	}
}

// keyword is letters, digits and inner hyphens; anything else is not written by us.
func keyword(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x80 && (isAlnum(byte(r)) || r == '-') {
			return r
		}
		return -1
	}, s[:min(len(s), 40)])
	if s == "" {
		return "unknown"
	}
	return s
}

// value writes a token or an address as it is (RFC 8601 2.2, pvalue), anything else as a quoted string.
func value(s string) string {
	s = clean(s)
	at := strings.LastIndexByte(s, '@')
	if isToken(s) || at >= 0 && isDomain(s[at+1:]) && (at == 0 || isToken(s[:at]) || isQuoted(s[:at])) {
		return s
	}
	return quote(s)
}

// isQuoted reports a quoted string that ends where s does.
func isQuoted(s string) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for i := 1; i < len(s)-1; i++ {
		switch s[i] {
		case '"':
			return false
		case '\\':
			if i++; i == len(s)-1 {
				return false
			}
		}
	}
	return true
}

// clean leaves printable ASCII, and no more of it than fits a line of a mail.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), maxValue)])
	return strings.TrimSpace(s)
}

func quote(s string) string { return `"` + escape(s, `"\`) + `"` }

// escape puts a backslash before signs.
func escape(s, signs string) string {
	if !strings.ContainsAny(s, signs) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(signs, s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// isToken is token in RFC 2045 5.1.
func isToken(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}

func isDomain(s string) bool {
	for i := range len(s) {
		if !isAlnum(s[i]) && s[i] != '-' && s[i] != '.' && s[i] != '_' {
			return false
		}
	}
	return s != ""
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
