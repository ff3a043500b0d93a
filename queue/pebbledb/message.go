// SPDX-License-Identifier: MIT

package pebbledb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"posthouse/mail"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Where a body is.
const (
	bodyInline = iota
	bodyFile
)

// messageHead is a message record up to the header; header and, if inline, the body follow as they are.
func messageHead(b []byte, header int, file string, size int64) []byte {
	kind := byte(bodyInline)
	if file != "" {
		kind = bodyFile
	}
	b = append(b, recordVersion, kind)
	b = binary.AppendUvarint(b, uint64(header))
	b = binary.AppendUvarint(b, uint64(size))
	if file != "" {
		b = appendString(b, file)
	}
	return b
}

// stored is a message record taken apart. The header is not parsed yet.
type stored struct {
	header string
	body   mail.Bytes // if file is ""
	file   string
	size   int64
}

func parseMessage(id mail.ID, value []byte) (stored, error) {
	value, body := cutBody(value)
	r := openRecord(value)
	kind := r.octet()
	header, size := r.uvarint(), r.uvarint()
	if kind > bodyFile || size > math.MaxInt64 || kind == bodyInline && size != uint64(len(body)) {
		r.fail("kind or size of the body")
	}
	s := stored{size: int64(size), body: bytes.Clone(body)}
	if kind == bodyFile {
		s.file = r.str()
	}
	s.header = r.take(header)
	if err := r.close(); err != nil {
		return stored{}, fmt.Errorf("message %s: %w", id, err)
	}
	if kind == bodyFile && !isBodyName(s.file) {
		return stored{}, fmt.Errorf("message %s: %w: body file %.40q", id, errDamaged, s.file)
	}
	return s, nil
}

// cutBody takes an inline body off the end of its record, so that it is copied once, as the octets that it is sent as.
func cutBody(value []byte) (rest, body []byte) {
	if len(value) < 2 || value[1] != bodyInline {
		return value, nil
	}
	_, header := binary.Uvarint(value[2:])
	size, n := binary.Uvarint(value[2+max(header, 0):])
	if n <= 0 || size > uint64(len(value)) {
		return value, nil // the parser says what is wrong
	}
	head := len(value) - int(size)
	return value[:head], value[head:]
}

// fileBody is a body that is a file of its own.
type fileBody struct {
	fs   vfs.FS
	path string
	size int64
}

// Open reads it from the start. A file of another size than was committed is not the body.
func (f fileBody) Open() (io.ReadCloser, error) {
	file, err := f.fs.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("open body: %w", err)
	}
	info, err := file.Stat()
	if err == nil && info.Size() != f.size {
		err = fmt.Errorf("%w: body %s has %d octets, not %d", errDamaged, f.path, info.Size(), f.size)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// Size is its octets.
func (f fileBody) Size() int64 { return f.size }

// bodyFileOf reads only as far as the name, "" if there is none: most records are long and hold their body.
func bodyFileOf(value []byte) string {
	if len(value) < 2 || value[1] != bodyFile {
		return ""
	}
	r := openRecord(value[:min(len(value), 64)])
	r.octet()
	r.uvarint()
	r.uvarint()
	if name := r.str(); isBodyName(name) {
		return name
	}
	return ""
}
