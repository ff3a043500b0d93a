// SPDX-License-Identifier: MIT

// Package milter asks content filters about mail while its sender still waits, in the protocol that Sendmail made for it and that
// Rspamd, OpenDKIM, ClamAV and everything built on libmilter speak.
//
// A packet is a length of four octets, a code of one and data. The mail server opens a connection for each SMTP connection and both
// sides first agree on masks (O): what the filter may change, which events it does not want, and which it does not answer. Then each
// step of the SMTP dialogue is an event: connect (C), HELO (H), MAIL (M), RCPT (R), DATA (T), every header field (L), the end of the
// header (N), the body in chunks of at most 65535 octets (B), the end of the message (E). Macros (D) go before an event and say what
// SMTP did not: the queue id (i), our name (j), the cipher, the login. The filter answers continue, accept, reject, tempfail, discard
// or a reply of its own; accept and reject at connect and HELO are about the whole connection, later about one message, at RCPT about
// one recipient. At the end of the message it first sends what is to be changed: fields added, inserted, changed, deleted, another body,
// recipients, the sender, or that the message be held. A verdict that refuses drops those edits. Abort (A) ends a message without a
// verdict, quit (Q) the conversation; one conversation serves all messages of its SMTP connection.
//
// Stages, macros and replies are Postfix's (milter8.c, cleanup_milter.c, the milter_*_macros defaults), and so is the chain: of each
// event the filters hear in their order until one refuses; the message itself goes to one after the other, with the edits of those
// before it. Positions count the header without our own Received field, which filters do not see. Postfix puts an insertion at
// position 0 above that field; here 0 and 1 are both the top of what the filter saw, and Received comes above.
//
// The conversation is github.com/emersion/go-milter's, as far as it goes. It has no DATA and no ADDRCPT_PAR, keeps a replaced body in
// memory however long it grows, restarts its clock with each "progress", and forgets the connection when the negotiation fails. So the
// connection is ours (wire), with two bounds on each wait; DATA and the end of a message are framed here; and SKIP and SETSYMLIST are
// not offered, since it does not take them.
//
// A filter is not trusted. Packets have at most 1 MiB, a message 1000 edits of 2 MiB together, a new body Options.MaxBody octets and is
// written in canonical lines; a header text may break its line only to fold, and a reply is 4yz or 5yz in at most 32 lines of printable
// ASCII. Whoever breaks that, stalls or cannot be reached has failed: default_action stands in, in the time that the entry gives. A
// filter may have several servers, by the addresses of a name or by an upstream group; what fails to connect or to negotiate goes on
// to the next, what is lost later costs the message at hand and is sought anew at the next MAIL.
package milter
