// SPDX-License-Identifier: MIT

package content

import (
	"bytes"
	"strings"
)

// Bounds of Postfix's MIME processor: mime_nesting_limit, mime_boundary_length_limit.
const (
	maxNesting  = 102 // which is how Postfix counts its 100
	maxBoundary = 2048
)

// kind is what a part is, as far as headers may follow in it.
type kind uint8

const (
	isText      kind = iota // or anything else
	isMessage               // message/rfc822, message/global: begins with a header
	isMultipart             // has boundaries
)

// boundary is an open one, and what its parts are unless they say so (RFC 2046 5.1.5: in a digest, messages).
type boundary struct {
	text  string
	parts kind
}

// boundary closes or goes on with a multipart, if the line is one of its boundaries. What follows the boundary's text does
// not matter; boundaries of outer parts end inner ones.
func (s *segments) boundary(line []byte) {
	if len(s.open) == 0 || len(line) <= 2 || line[0] != '-' || line[1] != '-' {
		return
	}
	for i := len(s.open) - 1; i >= 0; i-- {
		b := s.open[i]
		rest, ok := bytes.CutPrefix(line[2:], []byte(b.text))
		switch {
		case !ok:
			continue
		case bytes.HasPrefix(rest, []byte("--")):
			s.open, s.inText, s.content, s.seen = s.open[:i], true, isText, 0
		default:
			s.open, s.inText, s.class, s.content = s.open[:i+1], false, multipart, b.parts
		}
		return
	}
}

// note reads what a field says of the part, if it is Content-Type.
func (s *segments) note(key string) {
	name, value, _ := strings.Cut(key, ":")
	if !strings.EqualFold(name, "Content-Type") {
		return
	}
	tokens, rest := cutParameter(value)
	major, minor := first(tokens)
	switch {
	case strings.EqualFold(major, "message"):
		s.content = isText
		if strings.EqualFold(minor, "rfc822") || strings.EqualFold(minor, "global") {
			s.content = isMessage
		}
	case strings.EqualFold(major, "multipart"):
		s.content = isMultipart
		parts := isText
		if strings.EqualFold(minor, "digest") {
			parts = isMessage
		}
		s.push(rest, parts)
	case len(tokens) > 0:
		s.content = isText
	}
}

// push opens the boundaries that the parameters name: all of them, since software disagrees on which of two counts.
func (s *segments) push(parameters string, parts kind) {
	for parameters != "" {
		var tokens []string
		tokens, parameters = cutParameter(parameters)
		if len(tokens) < 3 || !strings.EqualFold(tokens[0], "boundary") || tokens[1] != "=" {
			continue
		}
		if len(s.open) == maxNesting {
			s.x.tooDeep()
			return
		}
		s.open = append(s.open, boundary{tokens[2][:min(len(tokens[2]), maxBoundary)], parts})
	}
}

// first is type and subtype.
func first(tokens []string) (major, minor string) {
	if len(tokens) > 0 {
		major = tokens[0]
	}
	if len(tokens) > 2 && tokens[1] == "/" {
		minor = tokens[2]
	}
	return major, minor
}
