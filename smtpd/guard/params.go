// SPDX-License-Identifier: MIT

package guard

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"

	"posthouse/reply"
)

// maxParams is how many parameters one MAIL or RCPT may have.
const maxParams = 16

// param is one esmtp-param (RFC 5321 4.1.2). Its key is in upper case.
type param struct{ key, value string }

// splitParams cuts parameters and refuses what go-smtp would settle by chance: repeated ones and more than one "=".
func splitParams(s string) ([]param, reply.Reply) {
	words := strings.Fields(s)
	if len(words) > maxParams {
		return nil, reply.BadSyntax
	}
	list := make([]param, 0, len(words))
	for _, w := range words {
		key, value, valued := strings.Cut(w, "=")
		p := param{strings.ToUpper(key), value}
		if key == "" || valued == (value == "") || strings.Contains(value, "=") || has(list, p.key) {
			return nil, reply.BadSyntax
		}
		list = append(list, p)
	}
	return list, reply.Reply{}
}

func has(list []param, key string) bool {
	for _, p := range list {
		if p.key == key {
			return true
		}
	}
	return false
}

// takeParams keeps for itself what go-smtp judges wrongly (SIZE, AUTH, foreign ORCPT) and returns the rest.
func (c *Conn) takeParams(v verb, list []param) ([]param, reply.Reply) {
	rest := list[:0]
	for _, p := range list {
		keep, r := c.takeParam(v, p)
		if r.Code != 0 {
			return nil, r
		}
		if keep {
			rest = append(rest, p)
		}
	}
	if v == verbMail {
		c.utf8 = has(rest, "SMTPUTF8")
	}
	return rest, reply.Reply{}
}

func (c *Conn) takeParam(v verb, p param) (keep bool, r reply.Reply) {
	switch {
	case v == verbMail && p.key == "SIZE":
		c.cmd.Size, r = parseSize(p.value)
		return false, r
	case v == verbMail && p.key == "AUTH":
		return false, r // RFC 4954 5: from a client we do not trust with it, it counts as AUTH=<>
	case v == verbMail && (p.key == "SMTPUTF8" || p.key == "REQUIRETLS"):
		if p.value != "" {
			return false, reply.BadSyntax
		}
		return true, r
	case v == verbMail && p.key == "ENVID", v == verbRcpt && p.key == "ORCPT":
		return c.takeDSN(p)
	case v == verbMail && (p.key == "BODY" || p.key == "RET"), v == verbRcpt && p.key == "NOTIFY":
		return true, r
	}
	return false, reply.UnknownParameter
}

// takeDSN checks the lengths of RFC 3461 4.2 and 4.4, and takes an ORCPT of another type than go-smtp's two.
func (c *Conn) takeDSN(p param) (keep bool, r reply.Reply) {
	if p.key == "ENVID" && len(p.value) > 100 || len(p.value) > 500 {
		return false, reply.BadSyntax
	}
	if !c.utf8 && !clean([]byte(p.value), false) {
		return false, reply.BadSyntax // RFC 6533 3: raw UTF-8 only where SMTPUTF8 was given
	}
	kind, address, ok := strings.Cut(p.value, ";")
	if p.key == "ENVID" || !ok || strings.EqualFold(kind, "rfc822") || strings.EqualFold(kind, "utf-8") {
		return true, r
	}
	decoded, ok := decodeXtext(address)
	if !ok || decoded == "" || !isAtom(kind) {
		return false, reply.BadSyntax
	}
	c.cmd.ORcpt = strings.ToLower(kind) + ";" + decoded
	return false, r
}

// parseSize reads up to 20 digits (RFC 1870 4); what does not fit 64 bits is too big, not wrong.
func parseSize(s string) (int64, reply.Reply) {
	n, err := strconv.ParseUint(s, 10, 63)
	switch {
	case err == nil:
		return int64(n), reply.Reply{}
	case errors.Is(err, strconv.ErrRange) && len(s) <= 20:
		return math.MaxInt64, reply.Reply{}
	}
	return 0, reply.BadSyntax
}

// decodeXtext undoes RFC 3461 4's "+HH". The result is printable ASCII.
func decodeXtext(s string) (string, bool) {
	var b bytes.Buffer
	for i := 0; i < len(s); i++ {
		ch := s[i]
		if ch == '+' {
			if i+3 > len(s) {
				return "", false
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			ch, i = byte(n), i+2
		}
		if ch < ' ' || ch > '~' {
			return "", false
		}
		b.WriteByte(ch)
	}
	return b.String(), true
}

func isAtom(s string) bool {
	for _, ch := range []byte(s) {
		if ch <= ' ' || ch > '~' || strings.IndexByte(`()<>@,;:\".[]`, ch) >= 0 {
			return false
		}
	}
	return s != ""
}
