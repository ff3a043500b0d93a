// SPDX-License-Identifier: MIT

// Package resolver asks the questions that mail has for the DNS (RFC 1034, 1035): who takes mail for a domain (MX, RFC
// 5321 5.1), at which addresses a host is (A, AAAA), what a name says about itself (TXT) and what an address is called (PTR).
//
// An answer is one of four things, and mail treats each differently, so they are never mixed up: records; NXDOMAIN (the
// name does not exist: NotFound, mail bounces); NODATA (it exists, without records of that type: NoData, a domain without
// MX is its own mail host); anything else is Temporary (SERVFAIL, time-out, refusal: try again, decide nothing). RFC 2308
// tells the second from the third: both come with an empty answer section.
//
// Client asks recursive servers, over UDP and again over TCP when the answer was cut (RFC 7766), and remembers answers and
// negative answers for their TTL in a cache bounded in octets. It does not validate DNSSEC. It passes on the word of a
// server that does (the AD bit, RFC 6840 5.7 and 5.8), and only if that server is on this machine: on any other way the
// bit can be forged. Zone answers from a master file (RFC 1035 5) and knows nothing else; tests and `posthouse up` use it.
//
// What the records mean is for others: relay orders MX, spf and dkim parse TXT, dane reads TLSA through Ask.
package resolver
