// SPDX-License-Identifier: MIT

package smtpclient

import (
	"strconv"
	"strings"
)

// Extensions is what the server said it can do, in the EHLO that counts: the one after STARTTLS, if there was one.
type Extensions struct {
	Pipelining, EightBitMIME, SMTPUTF8, DSN, StartTLS, RequireTLS bool
	SizeLimit                                                     int64 // 0: none said
	Size                                                          bool
	Auth                                                          []string // mechanisms, upper-case
}

// learn takes one line of the EHLO reply. Keywords are in any case (RFC 5321 4.1.1.1); "AUTH=PLAIN" is how some servers
// of the 1990s wrote it, and their successors still do.
func (e *Extensions) learn(line string) {
	keyword, params, _ := strings.Cut(strings.ToUpper(line), " ")
	if mechanisms, ok := strings.CutPrefix(keyword, "AUTH="); ok {
		keyword, params = "AUTH", mechanisms+" "+params
	}
	switch keyword {
	case "PIPELINING":
		e.Pipelining = true
	case "8BITMIME":
		e.EightBitMIME = true
	case "SMTPUTF8":
		e.SMTPUTF8 = true
	case "DSN":
		e.DSN = true
	case "STARTTLS":
		e.StartTLS = true
	case "REQUIRETLS":
		e.RequireTLS = true
	case "SIZE":
		e.Size = true
		if n, err := strconv.ParseInt(strings.TrimSpace(params), 10, 64); err == nil && n > 0 {
			e.SizeLimit = n
		}
	case "AUTH":
		e.Auth = append(e.Auth, strings.Fields(params)...)
	}
}
