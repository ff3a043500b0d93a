// SPDX-License-Identifier: MIT

// Package srs rewrites envelope senders, so that mail which is forwarded passes SPF at the next hop and its bounces come
// home (the Sender Rewriting Scheme, http://www.openspf.org/SRS; there is no RFC).
//
// A forwarder that kept alice@example.com as MAIL FROM would be a stranger speaking for example.com. It sends
//
//	SRS0=HHHH=TT=example.com=alice@forwarder.test
//
// instead: its own domain, the sender within, a day (TT, two base32 digits that wrap after 1024 days) and a keyed hash
// (HHHH) without which anybody could relay through the bounce path. A second forwarder does not nest that again but names
// the first one, SRS1=HHHH=first.test==HHHH=TT=example.com=alice@second.test, so that a bounce takes two hops at most.
//
// The bytes are those of PostSRSd 1.x and of Perl's Mail::SRS, so either may be replaced while its addresses are still
// underway: HMAC-SHA1 over the lower-cased parts, base64, cut to a few characters and compared without regard to case,
// since some hosts fold the local part. Several secrets may be in force: the first signs, all verify.
//
// The caller decides which recipients leave us, what a failed reversal is answered with, and that a sender which cannot be
// rewritten (the result would be too long) goes out as it is.
package srs
