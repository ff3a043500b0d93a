// SPDX-License-Identifier: MIT

package smtpclient

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"

	"posthouse/reply"
)

// Bounds of a reply. RFC 5321 4.5.3.1.5 has lines of 512 octets; long texts of many lines do occur in refusals.
const (
	maxReply = 64 << 10 // octets on the wire
	maxText  = 2 << 10  // octets kept
)

// errProtocol is in the chain of errors about what no SMTP server says.
var errProtocol = errors.New("not SMTP")

// readReply reads a reply of one or more lines (RFC 5321 4.2.1). Lines may end in a bare LF. The code must be the same on
// every line: what a peer means that mixes them is anyone's guess.
func readReply(in *bufio.Reader, each func(line []byte)) (reply.Reply, error) {
	var r reply.Reply
	var text []byte
	budget := maxReply
	for {
		line, err := readLine(in, &budget)
		if err != nil {
			return reply.Reply{}, err
		}
		code, last, rest, err := cutCode(line)
		if err != nil {
			return reply.Reply{}, err
		}
		if r.Code != 0 && r.Code != code {
			return reply.Reply{}, fmt.Errorf("%w: a reply of codes %d and %d", errProtocol, r.Code, code)
		}
		r.Code = code
		if each != nil {
			each(rest)
		}
		enhanced, words := cutEnhanced(code, rest)
		if enhanced != "" && r.Enhanced == "" {
			r.Enhanced = enhanced
		}
		text = appendText(text, words)
		if last {
			r.Text = string(text)
			return r, nil
		}
	}
}

// readLine reads up to LF and takes what it read from the budget. Of a line longer than the reader's buffer the beginning
// is given, the rest skipped.
func readLine(in *bufio.Reader, budget *int) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	*budget -= len(line)
	if errors.Is(err, bufio.ErrBufferFull) {
		line = bytes.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && *budget > 0 {
			var more []byte
			more, err = in.ReadSlice('\n')
			*budget -= len(more)
		}
	}
	if *budget <= 0 {
		return nil, fmt.Errorf("%w: a reply of more than %d octets", errProtocol, maxReply)
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

// cutCode takes "250-text" apart; the last line has a blank, or nothing, in the place of the hyphen.
func cutCode(line []byte) (code int, last bool, rest []byte, err error) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !digit(line[1]) || !digit(line[2]) {
		return 0, false, nil, fmt.Errorf("%w: %.40q instead of a reply", errProtocol, line)
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, true, nil, nil
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, false, nil, fmt.Errorf("%w: %.40q instead of a reply", errProtocol, line)
	}
	return code, line[3] == ' ', line[4:], nil
}

// cutEnhanced takes "5.1.1 text" apart (RFC 2034 4). A class that contradicts the code is taken for words.
func cutEnhanced(code int, rest []byte) (string, []byte) {
	word, words, _ := bytes.Cut(rest, []byte(" "))
	if len(word) < 5 || int(word[0]-'0') != code/100 || word[1] != '.' {
		return "", rest
	}
	subject, detail, ok := bytes.Cut(word[2:], []byte("."))
	if !ok || !shortNumber(subject) || !shortNumber(detail) {
		return "", rest
	}
	return string(word), words
}

func shortNumber(b []byte) bool {
	for _, c := range b {
		if !digit(c) {
			return false
		}
	}
	return len(b) >= 1 && len(b) <= 3
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// appendText keeps the printable part of a stranger's words, up to a limit.
func appendText(text, words []byte) []byte {
	if len(text) >= maxText {
		return text
	}
	if len(text) > 0 {
		text = append(text, '\n')
	}
	for _, c := range words[:min(len(words), maxText-min(len(text), maxText))] {
		switch {
		case c == '\t':
			c = ' '
		case c < ' ' || c > '~':
			c = '?'
		}
		text = append(text, c)
	}
	return text
}
