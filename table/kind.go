// SPDX-License-Identifier: MIT

package table

// kind is a way to read a table.
type kind int

const (
	noKind kind = iota
	exactKind
	fileKind
	regexpKind
	pcreKind
	cidrKind
	refileKind
	inlineKind
	staticKind
)

// kinds are the words before the colon. Postfix's databases that postmap compiles are all read from their source.
var kinds = map[string]kind{
	"hash": exactKind, "texthash": exactKind, "btree": exactKind, "lmdb": exactKind, "cdb": exactKind, "dbm": exactKind,
	"file": fileKind, "refile": refileKind,
	"regexp": regexpKind, "pcre": pcreKind, "cidr": cidrKind,
	"inline": inlineKind, "static": staticKind,
}

// conditions are the readers of what stands at the beginning of a rule.
var conditions = map[kind]func(text string) (t test, pattern, rest string, err error){
	regexpKind: posix, pcreKind: perl, cidrKind: cidr,
}
