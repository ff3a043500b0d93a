// SPDX-License-Identifier: MIT

// Package dmarc asks whether the domain in From stands behind a message: Domain-based Message Authentication, Reporting,
// and Conformance (RFC 9989, which replaces RFC 7489).
//
// SPF and DKIM each prove a domain, but neither proves the one that the reader sees. DMARC joins them: a message passes if a
// domain that passed SPF or DKIM is aligned with the domain of From, which is the same domain (strict) or one of the same
// organization (relaxed). What belongs together is learnt from the DNS: records at _dmarc.<name> are looked for from
// the name upwards, eight at most (the tree walk). The record says what to do with mail that fails: p, sp for subdomains,
// np for subdomains that do not exist; t=y asks for one step less.
//
// Reports are not made here. Results are facts: what becomes of a failed message is for policy to say.
package dmarc
