// SPDX-License-Identifier: MIT

// Package spf asks whether a host may send mail for a domain: the Sender Policy Framework (RFC 7208).
//
// A domain publishes one TXT record, "v=spf1" and terms, that names the hosts which send its mail. The terms are tried from
// left to right until one matches the client, and the qualifier before it ("+", "-", "~", "?") is the result: pass, fail,
// softfail, neutral. A record may draw in others (include, redirect), so everything is counted: 10 terms that ask the DNS, 2 of
// them in vain, 10 mail exchangers, one time limit over all (4.6.4). A record that is wrong anywhere is wrong as a whole
// (4.6): permerror, even if an earlier term would match. A DNS that does not answer is temperror.
//
// The identity is the domain of the reverse-path, or the name in HELO where that is <> (2.4). Results are facts: whether
// mail that failed is refused is for policy to say, and whether the domain is that of From, for dmarc.
package spf
