// SPDX-License-Identifier: MIT

// Package smtpclient holds one conversation as a client of SMTP (RFC 5321) or LMTP (RFC 2033): greeting, EHLO, STARTTLS
// (RFC 3207) and EHLO again, then any number of transactions, each with a result per recipient.
//
// It believes nothing that the other side says. A reply has a budget of octets and a deadline as a whole; a receiver that
// stops reading ends the attempt; words of a stranger are cut and cleaned before they get near a log or a DSN; what was
// sent in the clear behind the answer to STARTTLS is not taken for TLS (CVE-2011-0411). Time-outs are those of RFC 5321
// 4.5.3.2. The end of the context closes the connection, which is the one way that stops a conversation at any point.
//
// The whole envelope goes out in one write where the server offers PIPELINING (RFC 2920), the body in blocks with its dots
// stuffed as it streams. It uses extensions only where they are offered and needed: SIZE (RFC 1870), 8BITMIME (RFC 6152),
// SMTPUTF8 (RFC 6531), DSN (RFC 3461), REQUIRETLS (RFC 8689). Mail that needs what the server lacks is refused here, with
// the enhanced code of its RFC, rather than sent damaged.
//
// go-smtp's client is not used: it says "EHLO localhost" before STARTTLS, reads replies without bound, writes the body
// without a deadline and octet by octet, and knows neither pipelining nor contexts. Its server stands in smtpd.
//
// Which host to talk to, how often, and whom to trust is for relay; waiting and trying again is for delivery.
package smtpclient
