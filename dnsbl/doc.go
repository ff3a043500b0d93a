// SPDX-License-Identifier: MIT

// Package dnsbl asks the DNS whether an address or a name stands on somebody's list (RFC 5782).
//
// A list is a zone. The question about 192.0.2.1 is the A record of 1.2.0.192.zone, about an IPv6 address that of its 32
// nibbles, last first, about a name that of name.zone. NXDOMAIN means "not listed"; an address in 127.0.0.0/8 means
// "listed", and which one says why: zen.spamhaus.org answers 127.0.0.2 for spam sources and 127.0.0.10 for dial-up
// networks. A filter behind the zone, in Postfix's words (postconf(5), reject_rbl_client), picks the codes that count:
// zen.spamhaus.org=127.0.0.[2..9]. A TXT record at the same name tells the person who was refused where to complain.
//
// Most trouble with lists is not of the lists' making, so an answer is not simply believed:
//
//   - No answer is not a listing. All questions of one moment are asked side by side and have one deadline; what is
//     unknown when it passes is an Err, and the rule above decides (mail passes).
//   - 127.255.255.0/24 is how a zone says that it does not serve our resolver (Spamhaus' return codes: a public resolver,
//     too many queries, a misspelt zone). It lists only where a filter names that range itself, and marks the zone unhealthy.
//   - An address outside 127.0.0.0/8 is a parked domain's or a lying resolver's. It lists nobody.
//   - A zone that is given up may answer for everybody. RFC 5782 5 gives it a test: 127.0.0.1 (::ffff:127.0.0.1 for IPv6, the
//     name "invalid" for names) is never listed. Beside the first question a zone is asked that as well, and again every few
//     minutes in the background; while it fails, nothing the zone says counts.
//
// The package says what it found. Whether to refuse, warn or permit, and with which words, is for policy.
package dnsbl
