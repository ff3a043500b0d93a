// SPDX-License-Identifier: MIT

package nginxconf

import "fmt"

// longest is how many bytes NGINX reads of one word, or of one comment, before it gives up: the size of its buffer.
const longest = 4096

// ending is what a statement ended with.
type ending int

const (
	semicolon ending = iota
	openBrace
	closeBrace // alone, without words
	endOfFile  // alone
)

// lexer cuts one file into statements.
type lexer struct {
	file  string
	text  []byte
	pos   int
	line  int
	start int  // where the word or comment began that is being read
	began int  // its line
	quote byte // that it began with, and that has not come again; 0: none
}

func newLexer(file string, text []byte) *lexer { return &lexer{file: file, text: text, line: 1} }

func (l *lexer) errorf(format string, args ...any) error {
	return &Error{File: l.file, Line: l.line, Text: fmt.Sprintf(format, args...)}
}

// next reads one statement: its words, the line of the first, and how it ended.
func (l *lexer) next() (words []string, line int, end ending, err error) {
	for {
		c, ok, err := l.skip()
		switch {
		case err != nil:
			return nil, 0, 0, err
		case !ok && len(words) > 0:
			return nil, 0, 0, l.unfinished()
		case !ok:
			return nil, l.line, endOfFile, nil
		case c == '}' && len(words) == 0:
			return nil, l.line, closeBrace, nil
		case c == '}', (c == ';' || c == '{') && len(words) == 0:
			return nil, 0, 0, l.unexpected(c)
		case c == ';':
			return words, line, semicolon, nil
		case c == '{':
			return words, line, openBrace, nil
		}
		if len(words) == 0 {
			line = l.line
		}
		word, stop, err := l.word(c)
		if err != nil {
			return nil, 0, 0, err
		}
		words = append(words, word)
		switch stop {
		case ';':
			return words, line, semicolon, nil
		case '{':
			return words, line, openBrace, nil
		}
	}
}

func (l *lexer) unfinished() error {
	return l.errorf(`unexpected end of file, expecting ";" or "}"`)
}

// skip passes over blanks and comments and takes the first byte behind them; false at the end.
func (l *lexer) skip() (byte, bool, error) {
	for l.pos < len(l.text) {
		l.start, l.began = l.pos, l.line
		switch c, _, _ := l.take(); c {
		case ' ', '\t', '\r', '\n':
		case '#':
			for c = 0; c != '\n' && l.pos < len(l.text); {
				var err error
				if c, _, err = l.take(); err != nil {
					return 0, false, err
				}
			}
		default:
			return c, true, nil
		}
	}
	return 0, false, nil
}

// take is the next byte. It counts lines, and keeps to NGINX's measure.
func (l *lexer) take() (byte, bool, error) {
	if l.pos >= len(l.text) {
		return 0, false, nil
	}
	if l.pos-l.start == longest {
		return 0, false, l.tooLong()
	}
	c := l.text[l.pos]
	l.pos++
	if c == '\n' {
		l.line++
	}
	return c, true, nil
}

func (l *lexer) tooLong() error {
	l.line = l.began
	if l.quote != 0 {
		return l.errorf(`too long parameter, probably missing terminating "%c" character`, l.quote)
	}
	return l.errorf(`too long parameter "%s..." started`, l.text[l.start:l.start+10])
}

func (l *lexer) unexpected(c byte) error { return l.errorf(`unexpected "%s"`, []byte{c}) }

// word reads the rest of a word whose first byte was c, and the byte behind it: a blank, ";" or "{"; 0 where the next word
// begins without a blank, at a ")".
func (l *lexer) word(c byte) (word string, stop byte, err error) {
	if c == '"' || c == '\'' {
		l.start = l.pos
		return l.quoted(c)
	}
	dollar := c == '$'
	if c == '\\' {
		if _, _, err := l.take(); err != nil {
			return "", 0, err
		}
	}
	for {
		c, ok, err := l.take()
		switch {
		case err != nil:
			return "", 0, err
		case !ok:
			return "", 0, l.unfinished()
		case c == '{' && dollar: // ${name}: the brace belongs to it
			continue
		case c == ' ', c == '\t', c == '\r', c == '\n', c == ';', c == '{':
			return unescape(l.text[l.start : l.pos-1]), c, nil
		case c == '\\':
			if _, _, err := l.take(); err != nil {
				return "", 0, err
			}
		}
		dollar = c == '$'
	}
}

// quoted reads up to the quote that ends a word, and what has to stand behind it.
func (l *lexer) quoted(quote byte) (word string, stop byte, err error) {
	for l.quote = quote; l.quote != 0; {
		c, ok, err := l.take()
		if err != nil {
			return "", 0, err
		}
		if !ok {
			return "", 0, l.unfinished()
		}
		switch c {
		case '\\':
			if _, _, err := l.take(); err != nil {
				return "", 0, err
			}
		case quote:
			l.quote = 0
		}
	}
	word = unescape(l.text[l.start : l.pos-1])
	switch c, ok, err := l.take(); {
	case err != nil:
		return "", 0, err
	case !ok:
		return "", 0, l.unfinished()
	case c == ' ', c == '\t', c == '\r', c == '\n', c == ';', c == '{':
		return word, c, nil
	case c == ')': // if ($a = "b"): a word of its own
		l.pos--
		return word, 0, nil
	default:
		return "", 0, l.unexpected(c)
	}
}

// unescape replaces what a backslash may stand before: a quote, a backslash, t, r, n. Elsewhere it stays.
func unescape(raw []byte) string {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '\\' && i+1 < len(raw) {
			if plain, ok := escapes[raw[i+1]]; ok {
				c = plain
				i++
			}
		}
		out = append(out, c)
	}
	return string(out)
}

var escapes = map[byte]byte{'"': '"', '\'': '\'', '\\': '\\', 't': '\t', 'r': '\r', 'n': '\n'}

// skipLua passes over the braces of an OpenResty directive, whose inside is Lua: strings and comments may have braces.
func (l *lexer) skipLua() error {
	for depth := 1; depth > 0; {
		l.start = l.pos // a program has no longest word
		c, ok, _ := l.take()
		if !ok {
			return l.errorf(`unexpected end of file, expecting "}"`)
		}
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == '"', c == '\'':
			l.skipTo(c)
		case c == '-' && l.pos < len(l.text) && l.text[l.pos] == '-':
			l.skipTo('\n')
		}
	}
	return nil
}

// skipTo passes over a string or comment, up to its end or the end of its line.
func (l *lexer) skipTo(end byte) {
	for l.pos < len(l.text) {
		l.start = l.pos
		c, _, _ := l.take()
		if c == end || c == '\n' {
			return
		}
		if c == '\\' && end != '\n' {
			l.start = l.pos
			_, _, _ = l.take()
		}
	}
}
