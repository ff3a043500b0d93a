// SPDX-License-Identifier: MIT

package pebbledb

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// Every key starts with one letter that says what it is. IDs and destinations hold no NUL, which ends them.
//
//	\x00                        -> version of this format, the first key of the store
//	d destination NUL due id NUL n  -> nothing: the index, rows that are not held, oldest first
//	e id                        -> envelope
//	f file name                 -> id of the message whose body it is; the sweep at Open asks it
//	m id                        -> header, and the body or the name of its file
//	r id NUL n                  -> row
const (
	prefixIndex    = 'd'
	prefixEnvelope = 'e'
	prefixFile     = 'f'
	prefixMessage  = 'm'
	prefixRow      = 'r'
)

const nul = 0

// indexTail is what follows the destination in an index key beside the id: NUL, due, NUL, n.
const indexTail = 1 + 8 + 1 + 4

// appendIndexKey sorts by destination, due, id and n. Due is unsigned on disk: the zero time is as early as 1970.
func appendIndexKey(b []byte, destination string, due time.Time, id mail.ID, n int) []byte {
	b = append(b, prefixIndex)
	b = append(b, destination...)
	b = append(b, nul)
	b = binary.BigEndian.AppendUint64(b, dueBits(due))
	b = append(b, id...)
	b = append(b, nul)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

// dueBits is nanoseconds since 1970; what lies before is due anyway.
func dueBits(due time.Time) uint64 {
	if due.Unix() < 0 {
		return 0
	}
	return uint64(due.UnixNano())
}

// destinationStart and destinationEnd bound the index of one destination.
func destinationStart(destination string) []byte {
	return append(append([]byte{prefixIndex}, destination...), nul)
}

func destinationEnd(destination string) []byte {
	return append(append([]byte{prefixIndex}, destination...), nul+1)
}

// indexEntry is an index key taken apart.
type indexEntry struct {
	destination string
	due         time.Time
	id          mail.ID
	n           int
}

// parseIndexKey is the reverse of appendIndexKey.
func parseIndexKey(key []byte) (indexEntry, error) {
	s := string(key)
	end := strings.IndexByte(s, nul)
	if end < 1 || s[0] != prefixIndex || len(s) < end+indexTail {
		return indexEntry{}, fmt.Errorf("index key %q: %w", key, errDamaged)
	}
	due := binary.BigEndian.Uint64(key[end+1:])
	id, n, err := parseRowTail(s[end+9:])
	if err != nil {
		return indexEntry{}, fmt.Errorf("index key %q: %w", key, err)
	}
	return indexEntry{s[1:end], time.Unix(0, int64(due)).UTC(), id, n}, nil
}

// appendRowKey sorts by id and n.
func appendRowKey(b []byte, id mail.ID, n int) []byte {
	b = append(b, prefixRow)
	b = append(b, id...)
	b = append(b, nul)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

func parseRowKey(key []byte) (mail.ID, int, error) {
	if len(key) == 0 || key[0] != prefixRow {
		return "", 0, fmt.Errorf("row key %q: %w", key, errDamaged)
	}
	return parseRowTail(string(key[1:]))
}

// parseRowTail takes "id NUL n" apart.
func parseRowTail(s string) (mail.ID, int, error) {
	end := len(s) - 5
	if end < 1 || strings.IndexByte(s, nul) != end {
		return "", 0, fmt.Errorf("row %q: %w", s, errDamaged)
	}
	return mail.ID(s[:end]), int(binary.BigEndian.Uint32([]byte(s[end+1:]))), nil
}

// rowStart and rowEnd bound the rows of one message.
func rowStart(id mail.ID) []byte { return append(append([]byte{prefixRow}, id...), nul) }
func rowEnd(id mail.ID) []byte   { return append(append([]byte{prefixRow}, id...), nul+1) }

func envelopeKey(id mail.ID) []byte { return append([]byte{prefixEnvelope}, id...) }
func messageKey(id mail.ID) []byte  { return append([]byte{prefixMessage}, id...) }
func fileKey(name string) []byte    { return append([]byte{prefixFile}, name...) }

// checkID refuses what would break the order of the keys; mail.NewID never makes it.
func checkID(id mail.ID) error {
	if id == "" || len(id) > 255 || strings.IndexByte(string(id), nul) >= 0 {
		return fmt.Errorf("queue id %q cannot be stored", id)
	}
	return nil
}

func checkRow(r *queue.Row) error {
	if strings.IndexByte(r.Destination, nul) >= 0 || len(r.Destination) > maxDestination {
		return fmt.Errorf("destination %.80q of %s cannot be stored", r.Destination, r.ID)
	}
	if r.N < 0 || r.N > maxRecipients {
		return fmt.Errorf("recipient %d of %s cannot be stored", r.N, r.ID)
	}
	return checkID(r.ID)
}

// Bounds of what a key may hold, in octets and recipients.
const (
	maxDestination = 1024
	maxRecipients  = 1 << 24
)
