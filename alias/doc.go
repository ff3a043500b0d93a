// SPDX-License-Identifier: MIT

// Package alias answers who gets the mail for an address, and by which lines, with the semantics of Postfix's virtual(5).
//
// An address is looked up whole, then without its +extension, then as its bare local part (in the host's own domains), then
// as @domain. The right-hand side lists addresses; each is looked up again until nothing more is found. An element @other
// keeps the local part; an extension that the key did not have is put onto each element (propagate_unmatched_extensions).
// An address that maps to itself ends there. Ours, beyond Postfix: the element /dev/null discards, and a bare name (`pim`)
// ends the search as a user in the domain of its key.
//
// Unlike Postfix, which asks only whether some line matches, the expansion goes to its end while the client waits at RCPT:
// what ends in a virtual alias domain without a mailbox is dead, and an address with nothing but dead ends is unknown there
// and then, instead of bouncing later to a sender who may be forged.
//
// A Snapshot is one state of all tables, for one transaction. Whether a mailbox exists is for the caller to ask its store.
package alias
