// SPDX-License-Identifier: MIT

package guard

import (
	"errors"
	"strings"

	"posthouse/mail"
	"posthouse/reply"
)

// path takes MAIL and RCPT: the path is parsed here, from the wire form with its quotes. go-smtp would hand it on unquoted,
// and then `"a@b> NOTIFY=NEVER"@c` is two things to two readers.
func (c *Conn) path(v verb, arg []byte) {
	wire, rest, ok := splitPath(v, string(arg))
	if !ok {
		c.refuse(v, reply.BadSyntax)
		return
	}
	list, r := splitParams(rest)
	if r.Code == 0 {
		c.cmd = Command{Size: -1}
		list, r = c.takeParams(v, list)
	}
	if r.Code == 0 {
		r = c.parsePath(v, wire)
	}
	if r.Code != 0 {
		c.refuse(v, r)
		return
	}
	c.hand(v, c.rewritten(v, list))
}

// splitPath cuts "FROM:<path> parameters". As Postfix, it bears a blank after the colon and a path without brackets.
func splitPath(v verb, arg string) (wire, rest string, ok bool) {
	word := "FROM:"
	if v == verbRcpt {
		word = "TO:"
	}
	if len(arg) < len(word) || !strings.EqualFold(arg[:len(word)], word) {
		return "", "", false
	}
	arg = strings.TrimLeft(arg[len(word):], " ")
	if !strings.HasPrefix(arg, "<") {
		wire, rest, _ = strings.Cut(arg, " ")
		return "<" + wire + ">", rest, wire != "" && !strings.ContainsAny(wire, `<>"`)
	}
	end := closingBracket(arg)
	if end < 0 || end+1 < len(arg) && arg[end+1] != ' ' {
		return "", "", false
	}
	return arg[:end+1], arg[end+1:], true
}

// closingBracket is the index of the ">" that is not within quotes.
func closingBracket(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '>' && !quoted:
			return i
		}
	}
	return -1
}

// parsePath is the door for addresses: behind it they are never a string.
func (c *Conn) parsePath(v verb, wire string) reply.Reply {
	p, err := mail.ParsePath(wire, c.utf8)
	switch {
	case errors.Is(err, mail.ErrNeedUTF8):
		return reply.NeedUTF8.Because(err)
	case err != nil && v == verbMail:
		return reply.BadSender.Because(err)
	case err != nil, v == verbRcpt && p.IsNull():
		return reply.BadRecipient.Because(err)
	}
	c.cmd.Path = p
	return reply.Reply{}
}

// rewritten is the command for go-smtp. It learns that there is an address, not which: the frame asks Command.
func (c *Conn) rewritten(v verb, list []param) string {
	var b strings.Builder
	switch {
	case v == verbRcpt:
		b.WriteString("RCPT TO:<x@y>")
	case c.cmd.Path.IsNull():
		b.WriteString("MAIL FROM:<>")
	default:
		b.WriteString("MAIL FROM:<x@y>")
	}
	for _, p := range list {
		b.WriteString(" " + p.key)
		if p.value != "" {
			b.WriteString("=" + p.value)
		}
	}
	return b.String()
}
