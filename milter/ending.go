// SPDX-License-Identifier: MIT

package milter

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	protocol "github.com/emersion/go-milter"

	"posthouse/mail"
)

// addRcptWithArgs is SMFIR_ADDRCPT_PAR, which go-milter negotiates and does not know.
const addRcptWithArgs = protocol.ModifyActCode('2')

// maxEdits is how much a filter may change about one message.
const maxEdits = 1000

// ending reads what a filter says at the end of a message: edits, then a verdict. go-milter would keep a replaced body in
// memory, as long as the filter likes to make it, so this part is ours.
type ending struct {
	answer
	*filter
	wire *wire
	link *link
	env  *mail.Envelope
	size int64 // of the replaced body
	text *lines
}

// read sends the end of the body and takes what comes up to the verdict.
func (e *ending) read() (*protocol.Action, error) {
	if err := e.wire.send(byte(protocol.CodeEOB)); err != nil {
		return nil, err
	}
	for {
		p, err := e.wire.receive()
		if err != nil {
			return nil, err
		}
		if p.isDecision() {
			if err := e.closeBody(); err != nil {
				return nil, err
			}
			return p.decision()
		}
		if err := e.take(p); err != nil {
			return nil, err
		}
	}
}

// take is one packet that is no verdict yet.
func (e *ending) take(p packet) error {
	if p.code == 'p' {
		return nil
	}
	needed, known := permission(p.code)
	if !known {
		return fmt.Errorf("%w: answer %q", errGarbage, p.code)
	}
	if !e.link.ActionOption(needed) {
		return fmt.Errorf("%w: %q was not agreed upon", errGarbage, p.code)
	}
	switch protocol.ModifyActCode(p.code) {
	case protocol.ActReplBody:
		e.wire.left += int64(len(p.data)) // has a bound of its own
		return e.replace(p.data)
	case protocol.ActQuarantine:
		e.hold = first(cleanLine(cstr(&p.data)), "milter "+e.name)
		return nil
	}
	if len(e.edits) >= maxEdits {
		return fmt.Errorf("%w: more than %d edits", errTooMuch, maxEdits)
	}
	edit, err := parseEdit(p, e.link.ProtocolOption(protocol.OptHeaderLeadingSpace), e.env.UTF8)
	if err != nil {
		return err
	}
	edit.Milter = e.name
	e.edits = append(e.edits, edit)
	return nil
}

// permission is the action bit that a modification needs.
func permission(code byte) (bit protocol.OptAction, known bool) {
	switch protocol.ModifyActCode(code) {
	case protocol.ActAddHeader:
		return protocol.OptAddHeader, true
	case protocol.ActInsertHeader:
		return protocol.OptAddHeader | protocol.OptChangeHeader, true
	case protocol.ActChangeHeader:
		return protocol.OptChangeHeader, true
	case protocol.ActReplBody:
		return protocol.OptChangeBody, true
	case protocol.ActAddRcpt:
		return protocol.OptAddRcpt | protocol.OptAddRcptWithArgs, true
	case addRcptWithArgs:
		return protocol.OptAddRcptWithArgs, true
	case protocol.ActDelRcpt:
		return protocol.OptRemoveRcpt, true
	case protocol.ActQuarantine:
		return protocol.OptQuarantine, true
	case protocol.ActChangeFrom:
		return protocol.OptChangeFrom, true
	}
	return 0, false
}

// replace takes a piece of a new body into the spool.
func (e *ending) replace(piece []byte) error {
	if e.Spool == nil {
		return errOurs{errors.New("no spool for a replaced body")}
	}
	if e.body == nil {
		draft, err := e.Spool.Create()
		if err != nil {
			return errOurs{err}
		}
		e.body, e.text = draft, &lines{to: draft}
		e.edits = append(e.edits, Edit{Kind: ReplaceBody, Milter: e.name})
	}
	if e.size += int64(len(piece)); e.size > e.MaxBody {
		return fmt.Errorf("%w: a body of more than %d octets", errTooMuch, e.MaxBody)
	}
	if _, err := e.text.Write(piece); err != nil {
		return errOurs{err}
	}
	return nil
}

func (e *ending) closeBody() error {
	if e.text == nil {
		return nil
	}
	if err := e.text.Close(); err != nil {
		return errOurs{err}
	}
	return nil
}

// drop gives up a replaced body that is not wanted.
func (e *ending) drop() {
	if e.body != nil {
		e.body.Discard()
		e.body = nil
	}
}

func (e *ending) summary(answer string) string {
	if e.hold != "" {
		answer += ", quarantine"
	}
	if len(e.edits) > 0 {
		answer += ", " + strconv.Itoa(len(e.edits)) + " edits"
	}
	return answer
}

// cstr takes a string off data, up to its NUL or the end.
func cstr(data *[]byte) string {
	s, rest, _ := bytes.Cut(*data, []byte{0})
	*data = rest
	return string(s)
}

// cleanLine makes one line of printable ASCII, 200 octets at most, of what a filter wrote.
func cleanLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s[:min(len(s), 200)])
	return strings.TrimSpace(s)
}
