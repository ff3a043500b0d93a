// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/queue"
)

// A count walks the whole queue, so that it costs what the backlog is: it is made when somebody asks, at most once a
// minute, and gives up at a number that is an alarm in any case.
const (
	depthAge     = time.Minute
	depthTimeout = 5 * time.Second
	depthMaximum = 200_000
)

// depth is how much a queue holds, as metrics.
type depth struct {
	rows       func(ctx context.Context) (waiting, held int, err error)
	now        func() time.Time
	recipients *prometheus.Desc
	ctx        context.Context // of all counts
	cancel     context.CancelFunc

	mu            sync.Mutex
	counted       time.Time
	waiting, held int
}

func newDepth(service string, store queue.Store) *depth {
	ctx, cancel := context.WithCancel(context.Background())
	return &depth{
		ctx: ctx, cancel: cancel, now: time.Now,
		rows: func(ctx context.Context) (int, int, error) { return countRows(ctx, store) },
		recipients: prometheus.NewDesc("posthouse_"+service+"_queue_recipients",
			"Recipients in the queue by state, counted at most once a minute and up to 200000.", []string{"state"}, nil),
	}
}

// Describe is of prometheus.Collector.
func (d *depth) Describe(c chan<- *prometheus.Desc) { c <- d.recipients }

// Collect gives the last count, or a new one if that is old. A count that failed gives none: the other metrics are needed
// all the more.
func (d *depth) Collect(c chan<- prometheus.Metric) {
	waiting, held, err := d.count()
	if err != nil {
		return
	}
	c <- prometheus.MustNewConstMetric(d.recipients, prometheus.GaugeValue, float64(waiting), "waiting")
	c <- prometheus.MustNewConstMetric(d.recipients, prometheus.GaugeValue, float64(held), "held")
}

func (d *depth) count() (waiting, held int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.now(); d.counted.IsZero() || now.Sub(d.counted) >= depthAge {
		ctx, cancel := context.WithTimeout(d.ctx, depthTimeout)
		defer cancel()
		if d.waiting, d.held, err = d.rows(ctx); err != nil {
			return 0, 0, err
		}
		d.counted = now
	}
	return d.waiting, d.held, nil
}

// close ends a count that is under way, and there is none after it: the store is about to be closed.
func (d *depth) close() {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rows = func(ctx context.Context) (int, int, error) { return 0, 0, ctx.Err() }
}

func countRows(ctx context.Context, store queue.Store) (waiting, held int, err error) {
	for row, err := range store.Rows(ctx, "") {
		if err != nil {
			return 0, 0, err
		}
		if row.Held {
			held++
		} else {
			waiting++
		}
		if waiting+held == depthMaximum {
			break
		}
	}
	return waiting, held, nil
}
