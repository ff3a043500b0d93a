// SPDX-License-Identifier: MIT

// Package house holds the rules of the house as tests: which package may import which (the tiers of
// docs/architecture.md), where each third-party module may appear, and what every source file must have.
//
// The tests read the sources themselves with go/parser. They do not ask `go list`, whose answer `go test` would cache
// past a change, and they see the files of every build tag. A package that is missing from the table fails, so a new
// package begins with the question where it stands.
package house
