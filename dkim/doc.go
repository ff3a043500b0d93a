// SPDX-License-Identifier: MIT

// Package dkim signs mail and verifies signatures: DomainKeys Identified Mail (RFC 6376, with RFC 8301 on key sizes and
// RFC 8463 on Ed25519).
//
// A signer takes responsibility for a message under a domain (d=) by a key that it publishes in the DNS as
// selector._domainkey.domain. The signature covers a hash of the body (bh=) and named header fields (h=), each in a
// canonical form, here always "relaxed": white space may change on the way, words may not. A name that stands in h= once
// more than the message has such fields keeps others from being added (8.15).
//
// Which key signs is said by OpenDKIM's tables (opendkim.conf(5)). The SigningTable maps the address in From to a name, by
// wildcards if it is a refile; the KeyTable maps that name to domain:selector:key. A From without a line goes unsigned; a
// line whose key cannot be used is an error, since mail that should be signed must not leave unsigned.
//
// The cryptography is go-msgauth's. What it needs around it is here: its input is bounded first, because several of its
// steps take quadratic time, and what it does not tell (selector, algorithm, the flags of the key) is read beside it.
// Results are facts: what a failed signature means for the message is for policy to say.
package dkim
