// SPDX-License-Identifier: MIT

// Package smtpd is the frame of the SMTP services (RFC 5321): everything between a socket and what a service decides.
//
// A service is five methods (Service, Session, Transaction): who may connect, who may send, who may get it, may the text come,
// and here is the message. The frame brings what is the same for all: the guard on the wire, go-smtp as the machine of
// verbs and states behind it, AUTH (RFC 4954), parameters of DSN (RFC 3461), SIZE (RFC 1870), SMTPUTF8 (RFC 6531) and
// REQUIRETLS (RFC 8689), limits per client, the client's name, the Received field, and the stop.
//
// Three things happen in one place each: an error of a service becomes a reply (answer), a service is called with its
// panics caught (safely), and a message is promised: the 250 with the queue id is said where Transaction.Message has
// returned nil, and nowhere else (deliver).
//
// SECURITY: this package reads what strangers send, through the guard; it opens no file and starts no process. Passwords
// pass through to the Authenticator and are never logged.
package smtpd
