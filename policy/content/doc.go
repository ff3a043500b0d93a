// SPDX-License-Identifier: MIT

// Package content judges what a message says, by header_checks(5) and body_checks(5) of Postfix 3.7.
//
// The checks look at one header field or one line of the body at a time, and ask a table of patterns for an action. A field
// is one key with its folds as "\n" and what follows, so that a dot matches them; the body is seen as it is encoded, in
// pieces of 2048 octets, and of each MIME part only the first 51200. header_checks sees the fields at the top;
// mime_header_checks those about MIME, anywhere, and nested_header_checks those of attached messages: both are header_checks
// unless they are given. Parts are told apart by their boundaries as Postfix does (mime_state.c): no decoding, a bounded stack.
//
// REJECT, DISCARD, PASS and REDIRECT end the inspection; the others go on with the next line. Actions that Postfix does not
// know do nothing but warn. Besides its words, 4NN and 5NN with a text refuse, as in access(5).
//
// The body is read as a stream, and written anew only once a line is really changed. What patterns add is bounded.
package content
