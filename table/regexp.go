// SPDX-License-Identifier: MIT

package table

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// pattern is the condition of a regexp or pcre table.
type pattern struct{ *regexp.Regexp }

func (p pattern) applies(subject) bool   { return true }
func (p pattern) match(s subject) bool   { return p.MatchString(s.text) }
func (p pattern) groups(s subject) []int { return p.FindStringSubmatchIndex(s.text) }
func (p pattern) count() int             { return p.NumSubexp() }

// posix reads /pattern/flags of regexp_table(5). Case does not count unless flag i says so; without flag m, ^ and $ are the
// ends of the key and a dot matches all. The match is the longest of the leftmost.
func posix(text string) (test, string, string, error) {
	return compile(text, posixFlags, func(re *regexp.Regexp) { re.Longest() })
}

// perl reads /pattern/flags of pcre_table(5).
func perl(text string) (test, string, string, error) {
	return compile(text, perlFlags, func(*regexp.Regexp) {})
}

func compile(text string, flags func(string) (prefix string, err error), tune func(*regexp.Regexp)) (test, string, string, error) {
	body, letters, rest, err := splitPattern(text)
	if err != nil {
		return nil, "", "", err
	}
	prefix, err := flags(letters)
	if err != nil {
		return nil, "", "", err
	}
	re, err := regexp.Compile(prefix + body)
	if err != nil {
		return nil, "", "", explain(err)
	}
	tune(re)
	return pattern{re}, strings.TrimSpace(strings.TrimSuffix(text, rest)), rest, nil
}

// splitPattern cuts `/pattern/flags result`. The delimiter is whatever stands first; a backslash takes its meaning.
func splitPattern(text string) (body, flags, rest string, err error) {
	if text == "" || isAlphanumeric(text[0]) || text[0] == '\\' || isSpace(text[0]) || text[0] >= 0x80 {
		return "", "", "", errors.New("a pattern stands between delimiters: /pattern/flags result")
	}
	delimiter, end := text[0], 1
	for end < len(text) && text[end] != delimiter {
		if text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(text) {
		return "", "", "", fmt.Errorf("the pattern's closing %c is missing", delimiter)
	}
	flags, rest = word(text[end+1:])
	return text[1:end], flags, rest, nil
}

// posixFlags makes RE2's flags of those of regexp_table(5), each of which turns its default over.
func posixFlags(letters string) (string, error) {
	fold, multi := true, false
	for _, c := range letters {
		switch c {
		case 'i':
			fold = !fold
		case 'm':
			multi = !multi
		case 'x':
			return "", errors.New("flag x asks for a basic regular expression, which is not supported; write an extended one")
		default:
			return "", fmt.Errorf("unknown flag %q behind the pattern; regexp has i, m and x", c)
		}
	}
	return re2Flags(map[string]bool{"i": fold, "m": multi, "s": !multi}), nil
}

// perlFlags does it for pcre_table(5). E and X make no difference to a key that is one line.
func perlFlags(letters string) (string, error) {
	on := map[string]bool{"i": true, "s": true}
	anchor := ""
	for _, c := range letters {
		switch c {
		case 'i', 'm', 's', 'U':
			on[string(c)] = !on[string(c)]
		case 'A':
			anchor = `\A`
		case 'E', 'X':
		case 'x':
			return "", errors.New("flag x (white space in the pattern does not count) is not supported")
		default:
			return "", fmt.Errorf("unknown flag %q behind the pattern; pcre has i, m, s, A, E, U, X and x", c)
		}
	}
	return re2Flags(on) + anchor, nil
}

func re2Flags(on map[string]bool) string {
	flags := ""
	for _, f := range []string{"i", "m", "s", "U"} {
		if on[f] {
			flags += f
		}
	}
	if flags == "" {
		return ""
	}
	return "(?" + flags + ")"
}

// explain says what a pattern asked of RE2 in vain, in the words of who wrote it.
func explain(err error) error {
	var e *syntax.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case lookAround(e.Expr) != "":
		return fmt.Errorf("look-around %s is not supported: matching is linear in time (RE2)", lookAround(e.Expr))
	case e.Code == syntax.ErrInvalidPerlOp:
		return fmt.Errorf("the construct %s is not supported by RE2", e.Expr)
	case e.Code == syntax.ErrInvalidEscape && len(e.Expr) == 2 && '1' <= e.Expr[1] && e.Expr[1] <= '9':
		return fmt.Errorf("back-reference %s is not supported: matching is linear in time (RE2)", e.Expr)
	case e.Code == syntax.ErrInvalidRepeatOp:
		return fmt.Errorf("%s is not supported: a possessive or doubled repetition", e.Expr)
	}
	return fmt.Errorf("bad pattern: %s: %s", e.Code, e.Expr)
}

// lookAround returns the opening of a look-ahead or look-behind.
func lookAround(construct string) string {
	for _, opening := range []string{"(?=", "(?!", "(?<=", "(?<!"} {
		if strings.HasPrefix(construct, opening) {
			return opening
		}
	}
	return ""
}
