// SPDX-License-Identifier: MIT

package delegation

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// What an answer may hold. postgrey's are one line of under 200 octets.
const (
	maxAnswer = 8 << 10
	maxLines  = 50
)

// errStale is a connection that ended before it said anything: the server let it go between two questions.
var errStale = errors.New("the policy server closed the connection")

// readAnswer reads lines of name=value up to the empty line and returns the value of the first action; other names are
// passed over, as in Postfix.
func readAnswer(r *bufio.Reader) (string, error) {
	action, found, size := "", false, 0
	for range maxLines {
		text, err := r.ReadSlice('\n')
		size += len(text)
		switch {
		case errors.Is(err, io.EOF) && size == 0:
			return "", errStale
		case errors.Is(err, io.EOF):
			return "", fmt.Errorf("the policy server's answer breaks off: %w", io.ErrUnexpectedEOF)
		case errors.Is(err, bufio.ErrBufferFull) || size > maxAnswer:
			return "", errors.New("the policy server's answer is too long")
		case err != nil:
			return "", err
		}
		line := strings.TrimRight(string(text), "\r\n")
		if line == "" {
			return judged(action, found)
		}
		if name, value, ok := strings.Cut(line, "="); ok && name == "action" && !found {
			action, found = value, true
		}
	}
	return "", errors.New("the policy server's answer has too many lines")
}

// judged refuses what is no action; Postfix too wants it to be UTF-8.
func judged(action string, found bool) (string, error) {
	if !utf8.ValidString(action) {
		return "", errors.New("the policy server's answer is not UTF-8")
	}
	action = strings.TrimSpace(strings.Map(blank, action))
	if !found || action == "" {
		return "", errors.New("the policy server's answer names no action")
	}
	return action, nil
}

// blank makes blanks of controls.
func blank(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}
