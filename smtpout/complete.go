// SPDX-License-Identifier: MIT

package smtpout

import (
	"time"

	"posthouse/mail"
)

// complete makes a submitted header fit for the world (RFC 6409 8): Date and Message-ID are added when missing, Bcc and
// Resent-Bcc leave with nobody (RFC 5322 3.6.3), and Return-Path is the last hop's to write (RFC 5321 4.4).
func complete(h *mail.Header, env *mail.Envelope, host string) {
	for _, name := range []string{"Bcc", "Resent-Bcc", "Return-Path"} {
		h.Remove(name)
	}
	if !h.Has("Date") {
		h.Append(mail.NewField("Date", env.Arrived.UTC().Format(time.RFC1123Z)))
	}
	if !h.Has("Message-ID") {
		h.Append(mail.NewField("Message-ID", "<"+string(env.ID)+"@"+host+">"))
	}
}
