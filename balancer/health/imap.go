// SPDX-License-Identifier: MIT

package health

import "strings"

// imap speaks IMAP (RFC 9051). Every command of a check may have the same tag: none is sent before the last is answered.
func imap() *talk {
	ask := func(d *dialogue, command string) ([]string, error) {
		return d.say("a "+command, func() ([]string, error) { return d.imapAnswer("a") })
	}
	features := func(d *dialogue) ([]string, error) { return ask(d, "CAPABILITY") }
	upgrade := func(d *dialogue) error {
		_, err := ask(d, "STARTTLS")
		return err
	}
	return &talk{open: both((*dialogue).imapGreeting, features), startTLS: "STARTTLS", upgrade: upgrade, reopen: features, bye: "a LOGOUT"}
}

// imapGreeting is OK or PREAUTH (RFC 9051 7.1); BYE is a server that wants nobody.
func (d *dialogue) imapGreeting() ([]string, error) {
	line, err := d.line()
	if err == nil && !isWord(line, "* OK") && !isWord(line, "* PREAUTH") {
		err = unexpected(`"* OK" or "* PREAUTH"`, line)
	}
	return nil, inGreeting(err)
}

// imapAnswer reads the answer to a command up to the line with its tag, and returns the words of its capabilities.
func (d *dialogue) imapAnswer(tag string) ([]string, error) {
	var words []string
	_, err := d.lines(func(line string) (string, bool, error) {
		switch {
		case isWord(line, tag+" OK"):
			return "", true, nil
		case isWord(line, "* CAPABILITY"):
			words = append(words, strings.Fields(line)...)
		case isWord(line, "* BYE") || !strings.HasPrefix(line, "* "):
			return "", false, unexpected(`"`+tag+` OK"`, line)
		}
		return "", false, nil
	})
	return words, err
}

// isWord reports that a line begins with a word, in either case, and that the word ends there.
func isWord(line, word string) bool {
	return len(line) >= len(word) && strings.EqualFold(line[:len(word)], word) && (len(line) == len(word) || line[len(word)] == ' ')
}
