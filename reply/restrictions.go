// SPDX-License-Identifier: MIT

package reply

import "strings"

// The replies of restrictions, with Postfix's codes (its *_reject_code parameters) and enhanced codes.
var (
	InvalidHelo        = Reply{Code: 501, Enhanced: "5.5.2", Text: "Helo command rejected: invalid name"}
	NonFQDNHelo        = Reply{Code: 504, Enhanced: "5.5.2", Text: "Helo command rejected: need fully-qualified hostname"}
	UnknownHelo        = Reply{Code: 450, Enhanced: "4.7.1", Text: "Helo command rejected: host not found"}
	NonFQDNSender      = Reply{Code: 504, Enhanced: "5.5.2", Text: "Sender address rejected: need fully-qualified address"}
	UnknownSender      = Reply{Code: 550, Enhanced: "5.1.7", Text: "Sender address rejected: user unknown"}
	UnknownSenderDom   = Reply{Code: 450, Enhanced: "4.1.8", Text: "Sender address rejected: domain not found"}
	NullMXSender       = Reply{Code: 550, Enhanced: "5.7.27", Text: "Sender address rejected: domain does not accept mail (null MX)"}
	UnverifiedSender   = Reply{Code: 450, Enhanced: "4.1.7", Text: "Sender address rejected: unverified address"}
	NonFQDNRecipient   = Reply{Code: 504, Enhanced: "5.5.2", Text: "Recipient address rejected: need fully-qualified address"}
	UnknownRcptDom     = Reply{Code: 450, Enhanced: "4.1.2", Text: "Recipient address rejected: domain not found"}
	NullMXRcpt         = Reply{Code: 556, Enhanced: "5.1.10", Text: "Recipient address rejected: domain does not accept mail (null MX)"}
	UnverifiedRcpt     = Reply{Code: 450, Enhanced: "4.1.1", Text: "Recipient address rejected: unverified address"}
	ManyForNull        = Reply{Code: 550, Enhanced: "5.5.3", Text: "Recipient address rejected: a bounce goes to one recipient"}
	UnknownClient      = Reply{Code: 450, Enhanced: "4.7.25", Text: "Client host rejected: cannot find your hostname"}
	UnknownReverse     = Reply{Code: 450, Enhanced: "4.7.1", Text: "Client host rejected: cannot find your reverse hostname"}
	NeedEncryption     = Reply{Code: 450, Enhanced: "4.7.1", Text: "Session encryption is required"}
	EarlyTalker        = Reply{Code: 503, Enhanced: "5.5.0", Text: "Improper use of SMTP command pipelining"}
	Blocked            = Reply{Code: 554, Enhanced: "5.7.1", Text: "Service unavailable; blocked"}
	Unavailable        = Reply{Code: 450, Enhanced: "4.7.1", Text: "Service unavailable, please try again"}
	AccessDenied       = Reply{Code: 554, Enhanced: "5.7.1", Text: "Access denied"}
	AccessDeferred     = Reply{Code: 450, Enhanced: "4.7.1", Text: "Access denied for now, please try again"}
	TryLater           = Reply{Code: 450, Enhanced: "4.3.2", Text: "Deferred by policy, please try again later"}
	DeferRequested     = Reply{Code: 450, Enhanced: "4.7.0", Text: "Deferred by policy, please try again"}
	RestrictionTrouble = Reply{Code: 450, Enhanced: "4.3.0", Text: "Temporary look-up problem, please try again"}
)

// maxWords bounds what others say in a reply: a line is 512 octets, code and CRLF included (RFC 5321 4.5.3.1.5).
const maxWords = 400

// Words makes the text of others (a DNS list, a policy server, an access table, another host) fit for a reply: printable ASCII
// in one line of bounded length.
func Words(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\r' || r == '\n':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text[:min(len(text), 4*maxWords)])
	text = strings.Join(strings.Fields(text), " ")
	return strings.TrimSpace(text[:min(len(text), maxWords)])
}
