// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The queue is counted once a minute however often somebody asks, and not at all once the store is to be closed.
func TestDepth(t *testing.T) {
	t.Parallel()
	now, counts := time.Unix(0, 0), 0
	var broken error
	d := newDepth("test", nil)
	d.now = func() time.Time { return now }
	d.rows = func(context.Context) (int, int, error) { counts++; return 3, 2, broken }
	collect := func() int {
		c := make(chan prometheus.Metric, 10)
		d.Collect(c)
		return len(c)
	}
	for range 2 {
		if collect() != 2 || counts != 1 {
			t.Errorf("%d counts", counts)
		}
	}
	now = now.Add(depthAge)
	if broken = errors.New("damaged"); collect() != 0 || counts != 2 {
		t.Errorf("%d counts", counts)
	}
	d.close()
	if broken = nil; collect() != 0 || counts != 2 {
		t.Errorf("%d counts after the end", counts)
	}
}
