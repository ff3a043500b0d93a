// SPDX-License-Identifier: MIT

// Package config reads the cluster file: YAML into structs, with every complaint at once and each with its place.
//
// The file is YAML 1.2 (yaml.org/spec/1.2.2) cut down to what an operator can read without surprises: block and flow
// mappings, sequences, and scalars, plain, quoted or as blocks. Anchors, aliases, merge keys, tags, directives, `? key`
// and a second document are refused by name: they make one line mean different things in different places, and an alias
// can make a short file very long.
//
// Decoding goes over the syntax tree rather than through a YAML decoder, for two reasons. A decoder stops at the first
// mistake, and an operator wants them all; and the checks that come after decoding (does this upstream listen, does that
// table exist) must be able to say file, line and column as well. So every place in the document is a Section, a struct's
// Validate is given its own, and complaints made there are sorted together with the decoder's.
//
// The order is: SetDefaults of a struct (its nested structs first), decoding over the defaults, Validate (children first).
// A section that is not written stays a nil pointer. What the sections mean is left to the packages that own them; this
// one knows only scalars: Size, Duration, Network, Address, Path, Domain.
package config
