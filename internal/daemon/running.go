// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// running is the parts at work: two contexts, and who has not returned yet.
type running struct {
	cancelStop, cancelHard context.CancelFunc
	failed                 chan error // the first failure; later ones are logged by the parts themselves
	done                   chan struct{}

	mu   sync.Mutex
	left map[string]int
}

func newRunning(parts []Part) *running {
	stop, cancelStop := context.WithCancel(context.Background())
	hard, cancelHard := context.WithCancel(context.Background())
	r := &running{cancelStop: cancelStop, cancelHard: cancelHard,
		failed: make(chan error, 1), done: make(chan struct{}), left: map[string]int{}}
	var wg sync.WaitGroup
	r.mu.Lock() // a part may return before the last one is started
	defer r.mu.Unlock()
	for _, part := range parts {
		if part.Run == nil {
			continue
		}
		r.left[part.Name]++
		wg.Go(func() { r.run(part, stop, hard) })
	}
	go func() { wg.Wait(); close(r.done) }()
	return r
}

func (r *running) run(part Part, stop, hard context.Context) {
	err := part.Run(stop, hard)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left[part.Name]--; r.left[part.Name] == 0 {
		delete(r.left, part.Name)
	}
	if err == nil {
		return
	}
	select {
	case r.failed <- fmt.Errorf("%s: %w", part.Name, err):
	default:
	}
}

// finish stops the parts: softly, then after the grace hard. It returns an error if one does not return even then, or
// one failed on the way.
func (r *running) finish(grace time.Duration, log *slog.Logger) error {
	defer r.cancelHard()
	r.cancelStop()
	if !r.wait(grace) {
		log.Warn("grace is over, cutting off what still runs", "grace", grace, "parts", r.names())
		r.cancelHard()
		if !r.wait(linger) {
			return fmt.Errorf("did not stop: %s", r.names())
		}
	}
	select {
	case err := <-r.failed:
		log.Error("failed while stopping", "error", err)
	default:
	}
	return nil
}

func (r *running) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-r.done:
		return true
	case <-t.C:
		return false
	}
}

func (r *running) names() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for name := range r.left {
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
