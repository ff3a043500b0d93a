// SPDX-License-Identifier: MIT

package milter

import (
	"fmt"
	"strconv"
	"strings"

	protocol "github.com/emersion/go-milter"

	"posthouse/reply"
)

const (
	maxReplyLines = 32  // what libmilter's smfi_setmlreply takes
	maxReplyLine  = 496 // octets, so that the line of RFC 5321 4.5.3.1.5 holds both codes, text and CRLF
)

// decision waits for the answer to an event, past any "progress".
func (w *wire) decision() (*protocol.Action, error) {
	for {
		p, err := w.receive()
		if err != nil {
			return nil, err
		}
		if p.code != 'p' {
			return p.decision()
		}
	}
}

func (p packet) isDecision() bool {
	switch protocol.ActionCode(p.code) {
	case protocol.ActAccept, protocol.ActContinue, protocol.ActDiscard, protocol.ActReject, protocol.ActTempFail, protocol.ActReplyCode:
		return true
	}
	return false
}

// decision is the answer in go-milter's form.
func (p packet) decision() (*protocol.Action, error) {
	a := &protocol.Action{Code: protocol.ActionCode(p.code)}
	switch {
	case !p.isDecision():
		return nil, fmt.Errorf("%w: answer %q", errGarbage, p.code)
	case a.Code != protocol.ActReplyCode:
		return a, nil
	case len(p.data) <= 4:
		return nil, fmt.Errorf("%w: a reply of %d octets", errGarbage, len(p.data))
	}
	data := p.data
	text := cstr(&data)
	code, err := strconv.Atoi(text[:min(3, len(text))])
	if err != nil || len(text) < 4 {
		return nil, fmt.Errorf("%w: reply code %q", errGarbage, text[:min(3, len(text))])
	}
	a.SMTPCode, a.SMTPText = code, text[4:]
	return a, nil
}

// parseReply reads the words of a filter: "5.7.1 text", in further lines "550-5.7.1 text" before the last. Only 4yz and 5yz can
// answer a command; the enhanced code must be of the same class.
func parseReply(a *protocol.Action) (reply.Reply, error) {
	r := reply.Reply{Code: a.SMTPCode}
	if r.Code < 400 || r.Code > 599 {
		return r, fmt.Errorf("%w: reply code %d", errGarbage, r.Code)
	}
	rows := strings.Split(strings.TrimRight(strings.ReplaceAll(a.SMTPText, "\r\n", "\n"), "\n"), "\n")
	if len(rows) > maxReplyLines {
		return r, fmt.Errorf("%w: a reply of %d lines", errTooMuch, len(rows))
	}
	var texts []string
	for i, row := range rows {
		if i > 0 {
			code, rest := row[:min(3, len(row))], row[min(4, len(row)):]
			if code != strconv.Itoa(r.Code) {
				return r, fmt.Errorf("%w: a reply whose lines differ in code", errGarbage)
			}
			row = rest
		}
		enhanced, text := splitEnhanced(row, r.Code/100)
		r.Enhanced = first(r.Enhanced, enhanced)
		texts = append(texts, replyText(text))
	}
	r.Enhanced = first(r.Enhanced, strconv.Itoa(r.Code/100)+".7.1")
	r.Text = first(strings.Join(texts, "\n"), "Command rejected")
	return r, nil
}

// splitEnhanced takes an RFC 3463 code of the class off the front.
func splitEnhanced(s string, class int) (code, text string) {
	code, text, _ = strings.Cut(s, " ")
	parts := strings.Split(code, ".")
	if len(parts) != 3 || parts[0] != strconv.Itoa(class) {
		return "", s
	}
	for _, p := range parts {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n > 999 || strconv.FormatUint(n, 10) != p {
			return "", s
		}
	}
	return code, text
}

// replyText is one line of a filter's words: printable ASCII. Sendmail takes it for a format, so filters write "%%" for a per
// cent sign, and a single one means nothing (as in Postfix).
func replyText(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(s, "%%", "\x00"), "%", ""), "\x00", "%")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return strings.TrimSpace(s[:min(len(s), maxReplyLine)])
}
