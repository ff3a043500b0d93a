// SPDX-License-Identifier: MIT

// Package mail holds the words that the whole house speaks: paths, envelopes, headers, messages, and what became of them.
//
// RFC 5321 2.3.1 tells the envelope from the content: MAIL and RCPT say who it is from and for, and nothing in the header
// changes that. So an Envelope is values, parsed once at the door, and a Message is a header in memory over a body that
// is streamed and never changed. A Path is taken apart by the grammar of RFC 5321 4.1.2 (with RFC 6531's UTF-8 and
// A-labels for domains) and quoted again whenever it is written, so no address can smuggle a second one.
//
// A message moves by Carrier, one hop a call, with one Result for each recipient. What a recipient means (alias), where it goes
// (relay, delivery) and what is on disk (queue) are other packages' affairs.
package mail
