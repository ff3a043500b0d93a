// SPDX-License-Identifier: MIT

package guard

import "bytes"

// strayWindow bounds the look ahead once stray newlines have been seen, so that a text full of them costs linear time.
const strayWindow = 256

// decoder removes dots and finds the end of text (RFC 5321 4.5.2) in whole runs, not octet by octet.
type decoder struct {
	policy Policy
	fresh  bool // at the start of a line
	crlf   bool // which came after CRLF, not after a bare LF
	stray  bool // Reject: a bare CR or LF has been seen, the text is lost
	window int  // Normalize: how far to look ahead after one; 0 all
}

// start begins a text. The CRLF of the DATA line stands before it.
func (d *decoder) start(p Policy) { *d = decoder{policy: p, fresh: true, crlf: true} }

// next returns the first clean run of src as a part of src, and how much of src it has dealt with. What cannot be judged
// without what follows (a final CR, a dot at the start of a line) is not dealt with: nothing at all then means "read more".
func (d *decoder) next(src []byte) (run []byte, n int, end bool) {
	if d.stray {
		n, end = d.seekEnd(src)
		return nil, n, end
	}
	if d.window > 0 && len(src) > d.window {
		src = src[:d.window]
	}
	if d.fresh && len(src) > 0 && src[0] == '.' {
		if n, end, more := d.dot(src); n > 0 || more {
			return nil, n, end
		}
	}
	return d.run(src)
}

// dot judges a dot at the start of a line: the end (3 octets), stuffed (1), text (0), or undecided (more).
func (d *decoder) dot(src []byte) (n int, end, more bool) {
	switch {
	case len(src) == 1, len(src) == 2 && src[1] == '\r':
		return 0, false, true
	case src[1] == '\r' && src[2] == '\n' && d.crlf:
		return 3, true, false
	case src[1] == '\n', src[1] == '\r' && src[2] == '\n':
		d.fresh = false // a line of one dot with a bare LF before or behind it: text, and stays
		return 0, false, false
	}
	d.fresh = false
	return 1, false, false
}

// run finds clean lines up to the next dot at a line's start, a stray CR or LF, or the end of src.
func (d *decoder) run(src []byte) ([]byte, int, bool) {
	at := 0
	for at < len(src) {
		nl := bytes.IndexByte(src[at:], '\n')
		if nl < 0 {
			return d.tail(src, at)
		}
		cr := bytes.IndexByte(src[at:at+nl], '\r')
		if cr < 0 {
			return d.strayAt(src, at, at+nl)
		}
		if cr != nl-1 {
			return d.strayAt(src, at, at+cr)
		}
		at += nl + 1
		d.fresh, d.crlf = true, true
		if at < len(src) && src[at] == '.' {
			break
		}
	}
	return src[:at], at, false
}

// tail is a line whose end has not come yet.
func (d *decoder) tail(src []byte, at int) ([]byte, int, bool) {
	cr := bytes.IndexByte(src[at:], '\r')
	if cr >= 0 && at+cr < len(src)-1 {
		return d.strayAt(src, at, at+cr)
	}
	end := len(src)
	if cr >= 0 {
		end-- // the CR waits for what follows
	}
	if end > at {
		d.fresh = false
	}
	return src[:end], end, false
}

// strayAt deals with a bare CR or LF at i, in the line that starts at at. What stands before it goes first.
func (d *decoder) strayAt(src []byte, at, i int) ([]byte, int, bool) {
	if i > at {
		d.fresh = false
	}
	if i > 0 {
		return src[:i], i, false
	}
	if d.policy == Reject {
		d.stray = true
		n, end := d.seekEnd(src)
		return nil, n, end
	}
	d.window = strayWindow
	if src[0] == '\r' {
		d.fresh = false
		return []byte(" "), 1, false
	}
	d.fresh, d.crlf = true, false
	return []byte("\r\n"), 1, false
}

// seekEnd skips lost text: only CRLF.CRLF is looked for.
func (d *decoder) seekEnd(src []byte) (n int, end bool) {
	const mark = "\r\n.\r\n"
	if i := bytes.Index(src, []byte(mark)); i >= 0 {
		return i + len(mark), true
	}
	return max(0, len(src)-len(mark)+1), false
}
