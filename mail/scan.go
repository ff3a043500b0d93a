// SPDX-License-Identifier: MIT

package mail

import "bytes"

// headerScan looks for the end of a header in a buffer that grows, each line once.
type headerScan struct {
	end, body int // where the header ends and the body begins
	seen      int // up to here there is no line feed after end, so that a line that drips in is looked at once
	fields    int
	received  int
	mailbox   bool // it begins with an mbox file's "From " line
}

// feed goes on where the last call stopped. True: end and body are final.
func (s *headerScan) feed(buf []byte, eof bool) bool {
	for s.end < len(buf) {
		l := s.next(buf, eof)
		if l == nil {
			return false
		}
		if !s.take(l) {
			s.body = s.end
			if isEmptyLine(l) {
				s.body += len(l)
			}
			return true
		}
		s.end += len(l)
	}
	s.body = s.end
	return eof
}

// next is the line that begins at end, nil if the rest of it is still to come.
func (s *headerScan) next(buf []byte, eof bool) []byte {
	from := max(s.seen, s.end)
	if i := bytes.IndexByte(buf[from:], '\n'); i >= 0 {
		return buf[s.end : from+i+1]
	}
	if s.seen = len(buf); eof {
		return buf[s.end:]
	}
	return nil
}

// take reports whether l belongs to the header.
func (s *headerScan) take(l []byte) bool {
	switch lineKind(l) {
	case lineField:
		s.fields++
		if isReceived(l) {
			s.received++
		}
		return true
	case lineFold:
		return s.fields > 0
	}
	if s.end == 0 && isMailboxLine(l) {
		s.mailbox = true
		s.fields++
		return true
	}
	return false
}

// isMailboxLine reports the line that begins a message in an mbox file, quoted or not. Scripts that send such a file leave it
// there; it would push the whole header into the body.
func isMailboxLine(l []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(l, ">"), []byte("From "))
}

func isEmptyLine(l []byte) bool { return l[0] == '\n' || len(l) == 2 && l[0] == '\r' && l[1] == '\n' }
