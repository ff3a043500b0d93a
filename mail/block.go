// SPDX-License-Identifier: MIT

package mail

import (
	"encoding/binary"
	"sync"
)

// blockSize is what one read of a body takes: large enough that calls cost nothing, small enough for thousands of sessions.
const blockSize = 32 << 10

// block is a buffer from the pool, a struct so that returning it does not allocate.
type block struct{ data []byte }

var blocks = sync.Pool{New: func() any { return &block{make([]byte, blockSize)} }}

// free gives the block back. One that grew for a large header is left to the collector.
func (b *block) free() {
	if len(b.data) == blockSize {
		blocks.Put(b)
	}
}

// grown is a block of twice the size with the same beginning.
func (b *block) grown() *block {
	larger := &block{make([]byte, 2*len(b.data))}
	copy(larger.data, b.data)
	b.free()
	return larger
}

// hasHighBit looks at eight octets at a time.
func hasHighBit(p []byte) bool {
	for len(p) >= 8 {
		if binary.LittleEndian.Uint64(p)&0x8080808080808080 != 0 {
			return true
		}
		p = p[8:]
	}
	for _, c := range p {
		if c >= 0x80 {
			return true
		}
	}
	return false
}
