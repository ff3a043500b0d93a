// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"sync"
)

// turns bounds what is under way, in all and for each key.
type turns struct {
	all    chan struct{}
	perKey int

	mu   sync.Mutex
	keys map[string]*queueing
}

// queueing is a key that somebody has or wants.
type queueing struct {
	turns chan struct{}
	users int
}

func newTurns(total, perKey int) *turns {
	return &turns{all: make(chan struct{}, total), perKey: perKey, keys: map[string]*queueing{}}
}

// enter waits for the key's turn first, so that those who wait for a slow one hold no turn of all.
func (t *turns) enter(ctx context.Context, key string) error {
	t.mu.Lock()
	q := t.keys[key]
	if q == nil {
		q = &queueing{turns: make(chan struct{}, t.perKey)}
		t.keys[key] = q
	}
	q.users++
	t.mu.Unlock()
	select {
	case q.turns <- struct{}{}:
	case <-ctx.Done():
		t.forget(key, q)
		return context.Cause(ctx)
	}
	select {
	case t.all <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-q.turns
		t.forget(key, q)
		return context.Cause(ctx)
	}
}

func (t *turns) leave(key string) {
	t.mu.Lock()
	q := t.keys[key]
	t.mu.Unlock()
	<-t.all
	<-q.turns
	t.forget(key, q)
}

func (t *turns) forget(key string, q *queueing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.users--; q.users == 0 {
		delete(t.keys, key)
	}
}
