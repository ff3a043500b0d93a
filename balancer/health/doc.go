// SPDX-License-Identifier: MIT

// Package health asks servers how they are, in the words of their own protocol, so that no client has to find out.
//
// A check is a short and polite conversation: SMTP (RFC 5321) and LMTP (RFC 2033) to the end of EHLO, IMAP (RFC 9051) and POP3
// (RFC 1939, 2449) to their capabilities, ManageSieve (RFC 5804) to its greeting; each may go on in TLS, begun at once or by STARTTLS,
// and then the certificate has to be right; and all say goodbye. It waits for the greeting, gives its own name and asks for nothing
// that costs the server anything. `tcp` only connects.
//
// A Checker makes one check; a Runner makes those of changing servers, each at its interval, and tells what changed.
package health
