// SPDX-License-Identifier: MIT

package smtpin

import (
	"testing"

	"posthouse/internal/maillab"
	"posthouse/policy"
)

func TestStranger(t *testing.T) {
	t.Parallel()
	maillab.PlayAll(t, "testdata/stranger/*.txt", func(t *testing.T) maillab.Dialogue {
		w := newWorld(t, virtual(t))
		w.Lists.Relay = list(t, "permit_mynetworks", "reject_unauth_destination")
		w.Lists.Recipient = list(t, "warn_if_reject reject_non_fqdn_sender", "reject_unknown_sender_domain")
		return w.serve(t)
	})
}

func TestTrusted(t *testing.T) {
	t.Parallel()
	maillab.PlayAll(t, "testdata/trusted/*.txt", func(t *testing.T) maillab.Dialogue {
		w := newWorld(t, virtual(t))
		w.trusted = true
		return w.serve(t)
	})
}

// TestDefaultRelay: without a list of its own a service defers what it does not relay.
func TestDefaultRelay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, virtual(t))
	w.Lists = policy.Lists{Relay: list(t, policy.DefaultRelay()...)}
	w.serve(t).Play(t, "default", `S: 220
C: EHLO client.test
S: 250
C: MAIL FROM:<a@client.test>
S: 250
C: RCPT TO:<x@away.test>
S: 454 4.7.1 Relay access denied
C: RCPT TO:<pim@alias.test>
S: 250
`)
}

// TestUnlisted: reject_unlisted_recipient knows what RCPT knows, also of an SRS address.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, virtual(t))
	w.Lists.Recipient = list(t, "reject_unlisted_recipient", "reject_unknown_recipient_domain")
	w.serve(t).Play(t, "unlisted", `S: 220
C: EHLO client.test
S: 250
C: MAIL FROM:<>
S: 250
C: RCPT TO:<nobody@alias.test>
S: 550 5.1.1
L: reject_unlisted_recipient
C: RCPT TO:<loop@alias.test>
S: 451 4.3.5
C: RCPT TO:<pim@alias.test>
S: 250
C: RCPT TO:<x@relay.test>
S: 250
`)
}
