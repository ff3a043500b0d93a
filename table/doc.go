// SPDX-License-Identifier: MIT

// Package table reads the look-up tables of Postfix and OpenDKIM from the files their operators write.
//
// Postfix's tables (postmap(1), regexp_table(5), pcre_table(5), cidr_table(5), postconf(5) for inline and static) are text
// with logical lines: empty lines and lines whose first character that is not white space is # do not count, and a line
// that begins with white space continues the one before. A hash table holds `key value`, is compiled by postmap and looked
// up without regard to case; here the source is read itself, so a stale .db cannot be, and hash:, btree:, lmdb: and
// texthash: are the same. regexp: and pcre: try `/pattern/flags result` in the file's order, the first match wins; if and
// endif skip what lies between, ! inverts, $1 stands for the first group. cidr: does the same with networks. refile: and
// file: are OpenDKIM's (opendkim.conf(5), "data sets").
//
// regexp: is matched as POSIX says, leftmost-longest; pcre: as Perl does. Both are run by Go's engine, RE2, whose time is
// linear in the key: a table cannot be made to stall by what a stranger sends. What RE2 lacks (look-around,
// back-references) is an error with its line rather than a pattern that never matches.
//
// A Table is read when opened. Reload reads it anew and takes it only if all of it is right; a reader keeps the View it
// took for as long as it likes, so one transaction sees one table. What is looked up (an address, its domain, parts of
// it) is the business of the packages above.
package table
