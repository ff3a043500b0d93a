// SPDX-License-Identifier: MIT

package node

import (
	"log/slog"
	"testing"

	"posthouse/config"
	"posthouse/milter"
)

// TestFiltersOverAReload: filters go on over a reload that does not concern them, and not over one that does: message_size_limit bounds
// the bodies that they write.
func TestFiltersOverAReload(t *testing.T) {
	t.Parallel()
	s := &service{log: slog.New(slog.DiscardHandler), standing: &standing{}}
	c := milter.Config{Address: config.Address{Network: "tcp", Host: "127.0.0.1", Port: 9}}
	first := s.filters([]milter.Config{c}, "mx.test", 1<<20)
	if s.filters([]milter.Config{c}, "mx.test", 1<<20) != first {
		t.Error("nothing has changed, and the filters are others")
	}
	if s.filters([]milter.Config{c}, "mx.test", 2<<20) == first {
		t.Error("message_size_limit has changed, and the filters have not heard of it")
	}
}
