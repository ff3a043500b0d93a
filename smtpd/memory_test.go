// SPDX-License-Identifier: MIT

package smtpd

import (
	"runtime"
	"strings"
	"testing"

	"posthouse/internal/listen"
)

// TestLargeMessage: a message streams through guard and frame. 20 MiB of text must not even pass through the heap.
func TestLargeMessage(t *testing.T) { // not parallel: it reads the heap's counters
	const size = 20 << 20
	w := start(t, null{}, func(o *Options, _ *listen.Config) { o.Spool = null{} })
	p := w.hello()
	block := []byte(strings.Repeat(strings.Repeat("x", 62)+"\r\n", 1024))
	p.data()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for sent := 0; sent < size; sent += len(block) {
		if _, err := p.conn.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	p.do(".\r\n", "250 ")
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d octets were allocated for a message of %d", n, size)
	}
}
