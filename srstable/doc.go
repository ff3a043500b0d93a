// SPDX-License-Identifier: MIT

// Package srstable answers a Postfix that asks for SRS addresses, in PostSRSd's place: the sender of mail that passes through
// is rewritten by sender_canonical_maps, and the recipient of a bounce turned back by recipient_canonical_maps.
//
// Postfix asks in one of two protocols. PostSRSd 1 speaks tcp_table(5), one table a port: a line `get KEY`, a line
// `200 VALUE` or `500 why not`, both with %XX for what is not printable. PostSRSd 2 speaks socketmap_table(5), both tables on
// one socket: the netstrings `forward KEY` and `reverse KEY`, and `OK VALUE` or `NOTFOUND why not`. "Not found" leaves an
// address as it is, so that is the answer for all that cannot or need not be rewritten; none is worth another try.
//
// What they answer is PostSRSd's (postsrsd.c, srs2.c): an address of our own domain as it is, not found for an excluded
// domain and for a sender that is a good SRS address already; a recipient is turned back in whatever domain it is, since the
// hash alone says who made it. Where PostSRSd makes an address that cannot be parsed again, such as one with a quoted local
// part in its middle, ours is quoted as a whole. On the socketmap too it is version 1 that is followed: version 2 has NOTFOUND
// for an address of our own, which is the same to Postfix, and PERM for one that is malformed, which keeps the mail waiting.
//
// Requests that come together are answered together: one read, one write. PostSRSd writes each reply by itself and waits for
// delayed acknowledgements. It also forks for each connection; here each has a goroutine and some kilobytes.
//
// SECURITY: neither protocol knows who asks. Whoever can reach the tables can have any address signed, and so have us take
// bounces for it: they belong on loopback or on a socket in a closed folder. What comes in is bounded in length, time and
// number of connections.
package srstable
