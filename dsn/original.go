// SPDX-License-Identifier: MIT

package dsn

import (
	"bytes"
	"io"

	"posthouse/mail"
	"posthouse/reply"
)

// maxReturn is the largest original that comes back, whole or as its header. A report should not be a burden.
const maxReturn = 50 << 10

// originalPart is the message whole, or its header.
func (r *report) originalPart() part {
	if r.wantsWhole() {
		if whole, err := readAll(r.Message); err == nil {
			return r.wholePart(whole)
		}
	}
	return r.headerPart()
}

// wantsWhole is RET (RFC 3461 4.3), which is about failures alone. Under REQUIRETLS only the header may come back (RFC 8689 5).
func (r *report) wantsWhole() bool {
	return r.Kind == Failure && !failedFor(r.Recipients, reply.No8BitMIME) && r.Envelope.Ret != "HDRS" && !r.Envelope.RequireTLS && r.Message.Size() <= maxReturn
}

// readAll trusts no Size: a body that is longer than it says does not come back.
func readAll(msg *mail.Message) ([]byte, error) {
	in, err := msg.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	whole, err := io.ReadAll(io.LimitReader(in, maxReturn+1))
	if err == nil && len(whole) > maxReturn {
		err = io.ErrShortBuffer
	}
	return whole, err
}

// wholePart holds the message as it is: message/rfc822 may not be encoded (RFC 2046 5.2.1).
func (r *report) wholePart(whole []byte) part {
	p := part{kind: "message/rfc822", description: "Undelivered message", encoding: encodingOf(whole), content: whole}
	if r.utf8 && r.Message.Header.EightBit() {
		p.kind = "message/global" // RFC 6532 3.7
	}
	if !bytes.HasSuffix(whole, []byte("\n")) {
		p.content = append(p.content, '\r', '\n')
	}
	return p
}

// headerPart holds the fields that fit. One with 8-bit text is encoded unless the sender reads UTF-8 (RFC 6522 4).
func (r *report) headerPart() part {
	content := fittingFields(r.Message.Header)
	p := part{kind: "text/rfc822-headers", description: "Header of the message", encoding: encodingOf(content), content: content}
	switch {
	case p.encoding == "":
	case r.utf8:
		p.kind = "message/global-headers" // RFC 6533
	default:
		p.encoding, p.content = "quoted-printable", quotedPrintable(content)
	}
	return p
}

func fittingFields(h mail.Header) []byte {
	var b bytes.Buffer
	for _, f := range h.Fields() {
		if b.Len()+len(f) <= maxReturn {
			b.WriteString(string(f))
		}
	}
	return b.Bytes()
}
