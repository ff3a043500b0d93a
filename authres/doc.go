// SPDX-License-Identifier: MIT

// Package authres writes the header field that says what was found out about a message: Authentication-Results (RFC 8601).
//
// The field begins with the name of who says so, the authserv-id, and readers believe the fields that bear the name of their own
// border. So a border takes out of arriving mail every field that claims its name, however oddly it is written, before it
// adds its own (5). Values come from strangers: they are quoted or dropped, never passed through.
package authres
