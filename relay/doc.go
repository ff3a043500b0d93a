// SPDX-License-Identifier: MIT

// Package relay brings mail to its next hop: the mail exchangers of a domain (RFC 5321 5.1), a host that transport_maps
// names, or an LMTP server of an upstream group. Each is a mail.Carrier: one attempt at one hop, with a result for every
// recipient. When to try again, and what to tell the sender, is delivery's business.
//
// Exchangers are tried by preference, equal ones in random order, IPv6 and IPv4 in turn, at most five addresses an attempt.
// A domain without MX is its own exchanger, but only if the DNS said so (NODATA); one whose exchangers cannot be used is in
// error and never falls back to its address. A null MX (RFC 7505) takes no mail. Where we ourselves stand in the list, our
// entry and all that are not better go: otherwise mail would circle.
//
// A host that cannot be contacted, or that greets with 4yz or 5yz, is passed over for the next. A 4yz about a recipient
// moves that recipient to the next host; a 5yz is final. When the reply to the final dot was lost the message may have
// arrived: it is deferred and not sent again at once.
//
// TLS follows Postfix's smtp_tls_security_level: none; may takes what is offered, and comes back in the clear when the
// handshake fails; encrypt wants TLS and looks at no name; verify and secure look at the certificate, for the host's name or
// for the domain's. dane counts as may, and dane-only as encrypt, until TLSA records are read. Mail with REQUIRETLS (RFC
// 8689) goes only through verified TLS to hosts that take the word on.
//
// Mailboxes asks an LMTP store with MAIL and RCPT whether it would take mail for an address, so that a final destination can
// refuse what it could not deliver. A Verifier asks the same of anyone's servers, along the way that mail would go
// (reject_unverified_recipient, reject_unverified_sender).
//
// Conversations are kept open for a moment and used again, a bounded number of them; addresses that gave no answer are
// left aside for a while, as long as others are left.
package relay
