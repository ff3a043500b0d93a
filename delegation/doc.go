// SPDX-License-Identifier: MIT

// Package delegation asks policy servers what to do with a client, in Postfix's policy delegation protocol
// (SMTPD_POLICY_README). Greylisters, rate limiters and SPF checkers of many hands speak it: postgrey, postfwd, policyd-spf.
//
// A question is lines of name=value and an empty line; so is the answer, of which action=... counts. Its value is what may
// stand on the right of an access(5) table: DUNNO, PREPEND X-Greylist: ..., 450 4.2.0 text. Reading that is policy's business.
// The connection stays open for the next question.
//
// Values come from strangers. One that holds a line break could add attributes of its own (sasl_username=, client_address=)
// or end the question early, so controls never leave this package. The server is one of ours, but it is a program with bugs:
// its answer is bounded in bytes, lines and time.
package delegation
