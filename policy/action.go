// SPDX-License-Identifier: MIT

package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"posthouse/mail"
	"posthouse/reply"
)

// action is the right-hand side of an access table, or what a policy server answers (access(5), "ACTIONS").
type action struct {
	word string    // upper-case; "" is a list
	text string    // what stands behind the word, its enhanced code cut off if the word refuses
	code int       // of a word that refuses
	dsn  string    // the enhanced code, its class that of code
	list List      // restriction words
	path mail.Path // of REDIRECT and BCC
}

// CheckAction complains of the right-hand side of an access table that could not be acted upon, or not as it looks.
func CheckAction(value string) error {
	a, err := parseAction(value)
	if value = strings.TrimSpace(value); err == nil && a.word == "OK" && isCode(value) {
		err = fmt.Errorf("%s needs a text behind it: a number alone means OK", value)
	}
	return err
}

// isCode reports a reply that refuses.
func isCode(s string) bool { return len(s) == 3 && digits(s) && (s[0] == '4' || s[0] == '5') }

func parseAction(value string) (action, error) {
	word, text, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(value, "\t", " ")), " ")
	a := action{word: strings.ToUpper(word), text: strings.TrimSpace(text)}
	switch {
	case word == "":
		return a, errors.New("says nothing; an access table wants OK, DUNNO, REJECT and the like (access(5))")
	case digits(a.word) && a.text == "": // pop-before-smtp left the time here
		a.word = "OK"
		return a, nil
	case isCode(word):
		return a.refusing(word), nil
	}
	switch a.word {
	case "OK", "RELAY":
		a.word = "OK"
	case "DUNNO", "INFO", "WARN", "HOLD", "DISCARD":
	case "REJECT":
		return a.refusing(strconv.Itoa(reply.AccessDenied.Code)), nil
	case "DEFER", "DEFER_IF_PERMIT", "DEFER_IF_REJECT":
		return a.refusing(strconv.Itoa(reply.AccessDeferred.Code)), nil
	case "REDIRECT", "BCC":
		var err error
		if a.path, err = isPath(a.text); err != nil {
			return a, fmt.Errorf("%s wants an address: %w", a.word, err)
		}
	case "PREPEND":
		if !isField(a.text) {
			return a, errors.New("PREPEND wants a header field: Name: value")
		}
	case "FILTER":
		return a, errors.New("FILTER is not there; what filters is a milter, or a transport")
	case "HANGUP":
		return a, errors.New("HANGUP is not there; 421 or 521 and a text refuse and close")
	default:
		return a.listing(value)
	}
	return a, nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// isField reports text that may stand in a header: a name of printable characters, a colon.
func isField(text string) bool {
	name, _, found := strings.Cut(text, ":")
	name = strings.TrimRight(name, " ")
	return found && name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}

// refusing takes the enhanced code off the text; without one it is x.7.1. Its class is that of the code, whatever was written.
func (a action) refusing(code string) action {
	a.code, _ = strconv.Atoi(code)
	a.dsn = ".7.1"
	if first, rest, _ := strings.Cut(a.text, " "); isDSN(first) {
		a.dsn, a.text = first[1:], strings.TrimSpace(rest)
	}
	a.dsn = code[:1] + a.dsn
	return a
}

// isDSN reports an enhanced status code (RFC 3463), of a class that Postfix takes.
func isDSN(s string) bool {
	parts := strings.Split(s, ".")
	return len(parts) == 3 && (parts[0] == "2" || parts[0] == "4" || parts[0] == "5") &&
		digits(parts[1]) && len(parts[1]) <= 3 && digits(parts[2]) && len(parts[2]) <= 3
}

// listing reads restriction words. Tables and servers cannot be named: they are opened at the start. So no table leads to
// another, and lists within tables are one deep.
func (a action) listing(value string) (action, error) {
	a.word = ""
	tokens, err := tokenize(value)
	if err != nil {
		return a, err
	}
	for len(tokens) > 0 {
		r, rest, err := parseRule(tokens)
		switch {
		case err != nil:
			return a, fmt.Errorf("neither an action (access(5)) nor restrictions: %w", err)
		case r.unenforced:
			return a, fmt.Errorf("%s is not enforced yet", r.words)
		case r.table != nil || r.server != nil:
			return a, fmt.Errorf("%s: a table cannot name tables and policy servers", r.words)
		}
		a.list, tokens = append(a.list, r), rest
	}
	return a, nil
}
