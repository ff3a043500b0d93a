// SPDX-License-Identifier: MIT

package table

import (
	"iter"
	"slices"
)

// View is a table as it was at one time. It never changes, and any number of goroutines may use it.
type View interface {
	// Lookup finds what key stands for, and where that is said ("virtual:12"). In hash, file, refile and inline tables
	// case does not count; regexp, pcre, cidr and refile tables answer with the first entry that matches. An address
	// is looked up unquoted (first last@a.test), though a hash file writes it with its quotes.
	Lookup(key string) (value, where string, ok bool)
	// All yields every entry in the file's order. Of patterns the key is the pattern as written, and the value still has
	// its $1.
	All() iter.Seq2[string, Entry]
}

// Entry is one line of a table.
type Entry struct{ Value, Where string }

// Fixed is what of a view has fixed keys. Parts of an address (user, @domain) are looked up in it alone: a pattern sees
// whole addresses only, in Postfix as here, or an unanchored one would match half of everything.
func Fixed(v View) View {
	switch v := v.(type) {
	case *hashView:
		return v
	case chain:
		return chain(slices.DeleteFunc(slices.Clone(v), isPattern))
	}
	return chain(nil)
}

// Address looks a whole address up, plain (first last@a.test) and as it is written ("first last"@a.test). Fixed keys are plain.
// Patterns see the quotes, as in Postfix: what $1 takes out of a stranger's "a b@c.test d" stays one word.
func Address(v View, plain, written string) (value, where string, ok bool) {
	if plain != written {
		if value, where, ok = Fixed(v).Lookup(plain); ok {
			return value, where, true
		}
	}
	return v.Lookup(written)
}

func isPattern(v View) bool {
	_, fixed := v.(*hashView)
	return !fixed
}

// chain is several tables asked in turn; none is the empty table.
type chain []View

func (c chain) Lookup(key string) (value, where string, ok bool) {
	for _, v := range c {
		if value, where, ok = v.Lookup(key); ok {
			return value, where, true
		}
	}
	return "", "", false
}

func (c chain) All() iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for _, v := range c {
			for key, entry := range v.All() {
				if !yield(key, entry) {
					return
				}
			}
		}
	}
}

// static answers every key with one value.
type static struct{ value, where string }

func (s static) Lookup(string) (value, where string, ok bool) { return s.value, s.where, true }

func (s static) All() iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) { yield("*", Entry{s.value, s.where}) }
}
