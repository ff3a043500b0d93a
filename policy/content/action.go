// SPDX-License-Identifier: MIT

package content

import (
	"errors"
	"fmt"
	"strings"

	"posthouse/mail"
	"posthouse/reply"
	"posthouse/table"
)

// Where a table's action is obeyed.
const (
	inHeader = "header"
	inBody   = "body"
)

// maxText is how much of a table's text a stranger reads.
const maxText = 400

// action is the right-hand side of a line.
type action struct {
	word  string // in upper case; REJECT for 4NN and 5NN too
	text  string
	reply reply.Reply // of REJECT
	path  mail.Path   // of BCC and REDIRECT
}

// parseAction reads an action, whose case does not count. The error is what Postfix warns of: the line then does nothing.
func parseAction(value, where string) (action, error) {
	word, text := value, ""
	if i := strings.IndexAny(value, " \t"); i >= 0 {
		word, text = value[:i], strings.TrimLeft(value[i:], " \t\r\n")
	}
	a := action{word: strings.ToUpper(word), text: text}
	var err error
	switch a.word {
	case "DUNNO", "OK", "IGNORE", "STRIP", "WARN", "INFO", "PASS", "DISCARD", "HOLD":
	case "REJECT":
		a.reply, err = rejection(text)
	case "PREPEND", "REPLACE":
		switch {
		case text == "":
			err = fmt.Errorf("%s without a text", a.word)
		case where == inHeader && nameLength([]byte(text)) == 0:
			err = fmt.Errorf("%s %q: a header field is needed, name: value", a.word, text)
		}
	case "BCC", "REDIRECT":
		if a.path, err = mail.ParseAddress(text); err != nil {
			err = fmt.Errorf("%s %q: user@domain is needed", a.word, text)
		}
	case "FILTER":
		err = errors.New("FILTER is not supported: posthouse filters before it takes a message, by milter")
	default:
		if !isCode(a.word) {
			return action{}, fmt.Errorf("%q is no action", word)
		}
		a.reply = coded(a.word, text)
		a.word, a.text = "REJECT", a.reply.Enhanced+" "+a.reply.Text
	}
	return a, err
}

// rejection reads the text of REJECT, at whose beginning an enhanced code may stand; 4.x.x defers.
func rejection(text string) (reply.Reply, error) {
	if text == "" {
		return reply.ContentRejected, nil
	}
	enhanced, text := cutEnhanced(text)
	var err error
	switch {
	case enhanced == "":
		enhanced = "5.7.1"
	case enhanced[0] == '2':
		err = fmt.Errorf("REJECT %s: 4.x.x or 5.x.x is needed", enhanced)
	}
	r := reply.ContentRejected
	if enhanced[0] == '4' {
		r = reply.ContentDeferred
	}
	return worded(r, enhanced, text), err
}

// coded makes a reply of 4NN or 5NN and its text.
func coded(code, text string) reply.Reply {
	r := reply.ContentRejected
	if code[0] == '4' {
		r = reply.ContentDeferred
	}
	r.Code = int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0')
	enhanced, text := cutEnhanced(text)
	if enhanced == "" || enhanced[0] != code[0] {
		enhanced = r.Enhanced
	}
	return worded(r, enhanced, text)
}

func worded(r reply.Reply, enhanced, text string) reply.Reply {
	r.Enhanced = enhanced
	if text = printable(text, maxText); text != "" {
		r = r.With("%s", text)
	}
	return r
}

// isCode is a code that refuses. 421 and its like would end the connection, which is not ours to do.
func isCode(s string) bool {
	return len(s) == 3 && (s[0] == '4' || s[0] == '5') && s[1] >= '0' && s[1] <= '5' && s[2] >= '0' && s[2] <= '9'
}

// cutEnhanced takes an enhanced status code (RFC 3463) off the beginning of a text.
func cutEnhanced(text string) (code, rest string) {
	code, rest, _ = strings.Cut(text, " ")
	parts := strings.Split(code, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || !strings.Contains("245", parts[0]) {
		return "", text
	}
	for _, p := range parts {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return "", text
		}
	}
	return code, strings.TrimLeft(rest, " \t")
}

// printable is the first octets of a text that a terminal and the wire bear.
func printable(s string, most int) string {
	b := []byte(s[:min(len(s), most)])
	for i, c := range b {
		switch {
		case c == '\n' || c == '\r' || c == '\t':
			b[i] = ' '
		case c < ' ' || c > '~':
			b[i] = '?'
		}
	}
	return strings.TrimSpace(string(b))
}

// Problems names the lines of a table that would do nothing but warn, for `config check`. What a $1 decides is not judged.
func Problems(v table.View, header bool) []string {
	if v == nil {
		return nil
	}
	where := inBody
	if header {
		where = inHeader
	}
	var out []string
	for _, entry := range v.All() {
		word, _, _ := strings.Cut(entry.Value, " ")
		if _, err := parseAction(entry.Value, where); err != nil && !(strings.Contains(entry.Value, "$") && isWord(word)) {
			out = append(out, fmt.Sprintf("%s: %s", entry.Where, err))
		}
	}
	return out
}

// isWord is one of the actions whose text matters.
func isWord(word string) bool {
	switch strings.ToUpper(word) {
	case "REJECT", "PREPEND", "REPLACE", "BCC", "REDIRECT":
		return true
	}
	return false
}
