// SPDX-License-Identifier: MIT

package milter

import "io"

// lines writes a body in canonical form: whatever ends a line (LF, CR, CRLF) becomes CRLF, and the last line has its end. What is
// spooled is sent as it is, and a bare CR or LF in it may end a message elsewhere (SMTP smuggling).
type lines struct {
	to    io.Writer
	cr    bool // the last octet was a CR, not written yet
	inner bool // within a line
}

func (l *lines) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p)+len(p)/16+2)
	for _, c := range p {
		switch {
		case c == '\n':
			out = append(out, '\r', '\n')
			l.cr, l.inner = false, false
			continue
		case l.cr:
			out = append(out, '\r', '\n')
			l.cr, l.inner = false, false
		}
		if c == '\r' {
			l.cr = true
			continue
		}
		out, l.inner = append(out, c), true
	}
	if _, err := l.to.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close ends the last line.
func (l *lines) Close() error {
	if !l.cr && !l.inner {
		return nil
	}
	_, err := l.to.Write([]byte("\r\n"))
	return err
}
