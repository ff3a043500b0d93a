// SPDX-License-Identifier: MIT

package greylist

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

// The file is a head line and records of 40 octets, big-endian: state, 0, count (2), key (16), first (8), last (8), and the
// CRC-32 (IEEE) of the 36 before. The later of two records with one key holds.
const (
	format     = 1
	headPrefix = "posthouse greylist "
	recordSize = 40
)

// latest bounds times in a file, in milliseconds: the year 9999.
const latest = 253402300799000

// record is an entry as the file has it.
type record struct {
	key
	facts
}

func head() []byte { return fmt.Appendf(nil, "%s%d\n", headPrefix, format) }

func (r record) append(b []byte) []byte {
	start := len(b)
	b = append(b, byte(r.state), 0)
	b = binary.BigEndian.AppendUint16(b, r.count)
	b = append(b, r.key[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.first))
	b = binary.BigEndian.AppendUint64(b, uint64(r.last))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
}

// readRecord is false for what was not written by append.
func readRecord(b []byte) (r record, ok bool) {
	if binary.BigEndian.Uint32(b[36:]) != crc32.ChecksumIEEE(b[:36]) {
		return r, false
	}
	r.state, r.count, r.key = state(b[0]), binary.BigEndian.Uint16(b[2:]), key(b[4:20])
	r.first, r.last = int64(binary.BigEndian.Uint64(b[20:])), int64(binary.BigEndian.Uint64(b[28:]))
	return r, r.state < states && b[1] == 0 && 0 < r.first && r.first <= r.last && r.last <= latest
}

// parse reads a file. Records that are torn or damaged are left out and counted; since all are of one length, those behind
// them can be read.
func parse(in io.Reader) (records []record, damaged int, err error) {
	r := bufio.NewReaderSize(in, 1<<16)
	if err := readHead(r); err != nil {
		return nil, 0, err
	}
	var b [recordSize]byte
	for {
		switch _, err := io.ReadFull(r, b[:]); {
		case err == io.EOF:
			return records, damaged, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return records, damaged + 1, nil
		case err != nil:
			return nil, 0, err
		}
		if rec, ok := readRecord(b[:]); ok {
			records = append(records, rec)
		} else {
			damaged++
		}
	}
}

func readHead(r *bufio.Reader) error {
	line, err := r.ReadSlice('\n')
	if err != nil && err != io.EOF && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	text, ok := strings.CutPrefix(string(bytes.TrimSuffix(line, []byte("\n"))), headPrefix)
	version, err := strconv.Atoi(text)
	switch {
	case !ok || err != nil || version < 1:
		return errors.New("is not a greylist; move it away, and what it should know is learnt anew")
	case version > format:
		return fmt.Errorf("was written by a newer posthouse (format %d, this one reads %d); run that, or move the file away", version, format)
	}
	return nil
}
