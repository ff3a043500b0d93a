// SPDX-License-Identifier: MIT

package balancer

import (
	"strings"
	"sync/atomic"

	"posthouse/balancer/loop"
)

// counts are a service's, since the start. The loops add, whoever looks reads.
type counts struct {
	current    atomic.Int64
	ended      [loop.Failed + 1]atomic.Int64 // by reason
	refused    [refusals]atomic.Int64
	fromClient atomic.Int64
	fromServer atomic.Int64
}

// serverCounts are one configured server's, over all its addresses.
type serverCounts struct {
	picked, failures      atomic.Int64
	connects, connectTime atomic.Int64 // that succeeded, and how long they took, in nanoseconds
}

func (c *counts) begin() { c.current.Add(1) }

func (c *counts) end(r loop.Result) {
	c.current.Add(-1)
	c.ended[min(int(r.Reason), len(c.ended)-1)].Add(1)
	if r.Reason == loop.HandedOver {
		return // whoever goes on counts all of it
	}
	c.fromClient.Add(r.FromClient)
	c.fromServer.Add(r.FromServer)
}

// label is a reason as a metric has it: client_closed.
func label(r loop.Reason) string {
	return strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(r.String()))
}
