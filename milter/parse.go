// SPDX-License-Identifier: MIT

package milter

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	protocol "github.com/emersion/go-milter"

	"posthouse/mail"
)

// parseEdit reads an edit of the header or the envelope. leading: the filter writes the space behind the colon itself.
func parseEdit(p packet, leading, utf8 bool) (Edit, error) {
	code, data := protocol.ModifyActCode(p.code), p.data
	switch code {
	case protocol.ActAddHeader, protocol.ActInsertHeader, protocol.ActChangeHeader:
		return parseHeaderEdit(code, data, leading)
	case protocol.ActAddRcpt, addRcptWithArgs:
		path, err := parsePath(cstr(&data), utf8)
		if err == nil && path.IsNull() {
			err = fmt.Errorf("%w: a recipient without an address", errGarbage)
		}
		r := mail.Recipient{To: path, Given: path}
		if code == addRcptWithArgs {
			readRcptParams(&r, strings.Fields(cleanParams(cstr(&data))))
		}
		return Edit{Kind: AddRecipient, Path: path, Recipient: r}, err
	case protocol.ActDelRcpt:
		path, err := parsePath(cstr(&data), utf8)
		return Edit{Kind: DeleteRecipient, Path: path}, err
	case protocol.ActChangeFrom:
		path, err := parsePath(cstr(&data), utf8)
		return Edit{Kind: ChangeSender, Path: path, Params: strings.Fields(cleanParams(cstr(&data)))}, err
	}
	return Edit{}, fmt.Errorf("%w: answer %q", errGarbage, p.code)
}

// parseHeaderEdit: positions are those of Postfix. An insertion counts our own Received, which filters do not see, as 1.
func parseHeaderEdit(code protocol.ModifyActCode, data []byte, leading bool) (Edit, error) {
	index := uint32(0)
	if code != protocol.ActAddHeader {
		if len(data) < 4 {
			return Edit{}, fmt.Errorf("%w: a header edit without a position", errGarbage)
		}
		if index = binary.BigEndian.Uint32(data); index > math.MaxInt32 {
			return Edit{}, fmt.Errorf("%w: position %d in a header", errGarbage, index)
		}
		data = data[4:]
	}
	name, value := cstr(&data), cstr(&data)
	field, err := newField(name, value, leading)
	if err != nil {
		return Edit{}, err
	}
	e := Edit{Kind: AddHeader, Name: name, Field: field}
	switch code {
	case protocol.ActInsertHeader:
		e.Kind, e.Index = InsertHeader, max(0, int(index)-1)
	case protocol.ActChangeHeader:
		e.Kind, e.Index = ChangeHeader, max(1, int(index))
		if value == "" {
			e.Kind, e.Field = DeleteHeader, ""
		}
	}
	return e, nil
}

// newField writes a field as the filter wants it, with LF or CRLF in front of a blank as the fold. Any other line break would be
// a field, or a body, that the filter was not asked for, or let in by whom it repeats: refused.
func newField(name, value string, leading bool) (mail.Field, error) {
	if !isFieldName(name) {
		return "", fmt.Errorf("%w: header name %q", errGarbage, name)
	}
	text := strings.TrimRight(strings.ReplaceAll(value, "\r\n", "\n"), " \t\n")
	rows := strings.Split(text, "\n")
	kept := rows[:0]
	for i, row := range rows {
		if i > 0 && (row == "" || row[0] != ' ' && row[0] != '\t') {
			return "", fmt.Errorf("%w: a line break in header %s that is no fold", errGarbage, name)
		}
		if strings.ContainsRune(row, '\r') {
			return "", fmt.Errorf("%w: a bare CR in header %s", errGarbage, name)
		}
		if i > 0 && strings.Trim(row, " \t") == "" {
			continue // obsolete syntax, RFC 5322 4.2: some readers take it for the end of the header
		}
		kept = append(kept, noControls(row))
	}
	colon := ": "
	if leading {
		colon = ":"
	}
	return mail.Field(name + colon + strings.Join(kept, "\r\n") + "\r\n"), nil
}

// noControls makes blanks of controls, octet by octet: what is not UTF-8 stays as it is.
func noControls(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}

// isFieldName is RFC 5322 3.6.8: printable ASCII but the colon.
func isFieldName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ':' {
			return false
		}
	}
	return s != ""
}

// parsePath takes an address with or without its brackets.
func parsePath(s string, utf8 bool) (mail.Path, error) {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "<") {
		s = "<" + s + ">"
	}
	p, err := mail.ParsePath(s, utf8)
	if err != nil {
		return mail.Path{}, fmt.Errorf("%w: address: %w", errGarbage, err)
	}
	return p, nil
}

// cleanParams bounds ESMTP parameters and keeps them printable.
func cleanParams(s string) string {
	return noControls(s[:min(len(s), 1000)])
}

// readRcptParams takes NOTIFY and ORCPT; as in Postfix, what else there is counts for nothing.
func readRcptParams(r *mail.Recipient, params []string) {
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		switch strings.ToUpper(name) {
		case "NOTIFY":
			r.Notify = parseNotify(value)
		case "ORCPT":
			if kind, addr, ok := strings.Cut(value, ";"); ok {
				if text, ok := unxtext(addr); ok {
					r.ORcpt = kind + ";" + text
				}
			}
		}
	}
}

func parseNotify(s string) (n mail.Notify) {
	for word := range strings.SplitSeq(strings.ToUpper(s), ",") {
		switch word {
		case "NEVER":
			return mail.NotifyNever
		case "SUCCESS":
			n |= mail.NotifySuccess
		case "FAILURE":
			n |= mail.NotifyFailure
		case "DELAY":
			n |= mail.NotifyDelay
		}
	}
	return n
}

// unxtext undoes xtext, and takes nothing that is not printable.
func unxtext(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			if i+2 >= len(s) {
				return "", false
			}
			if _, err := fmt.Sscanf(s[i+1:i+3], "%02X", &c); err != nil {
				return "", false
			}
			i += 2
		}
		if c < ' ' || c > '~' {
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}
