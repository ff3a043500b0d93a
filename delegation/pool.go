// SPDX-License-Identifier: MIT

package delegation

import (
	"bufio"
	"context"
	"net"
	"slices"
	"sync"
	"time"
)

// maxIdleConns is how many connections to one server wait for a question.
const maxIdleConns = 20

// kept is a connection to a policy server, with what was read ahead of it.
type kept struct {
	conn   net.Conn
	reader *bufio.Reader
	born   time.Time
	asked  int
	timer  *time.Timer // sends it away while it waits
}

func (k *kept) exchange(question []byte) (string, error) {
	if _, err := k.conn.Write(question); err != nil {
		return "", err
	}
	return readAnswer(k.reader)
}

// pool is the connections that wait, the one used last at the end, and the turns of each server.
type pool struct {
	now func() time.Time

	mu     sync.Mutex
	idle   map[Server][]*kept
	turns  map[Server]chan struct{}
	closed bool
}

func newPool(now func() time.Time) *pool {
	return &pool{now: now, idle: map[Server][]*kept{}, turns: map[Server]chan struct{}{}}
}

// enter waits for a turn; leave gives it back. Servers come from the configuration: there are few.
func (p *pool) enter(ctx context.Context, s Server) error {
	p.mu.Lock()
	turns := p.turns[s]
	if turns == nil {
		turns = make(chan struct{}, maxAtOnce)
		p.turns[s] = turns
	}
	p.mu.Unlock()
	select {
	case turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pool) leave(s Server) {
	p.mu.Lock()
	turns := p.turns[s]
	p.mu.Unlock()
	<-turns
}

// take is the connection used last, nil if none waits.
func (p *pool) take(s Server) *kept {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[s]
	if len(list) == 0 {
		return nil
	}
	k := list[len(list)-1]
	k.timer.Stop()
	p.idle[s] = list[:len(list)-1]
	return k
}

func (p *pool) put(s Server, k *kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	rest := s.MaxTTL - p.now().Sub(k.born)
	if p.closed || rest <= 0 || s.Requests > 0 && k.asked >= s.Requests || len(p.idle[s]) >= maxIdleConns {
		k.conn.Close()
		return
	}
	k.timer = time.AfterFunc(min(s.MaxIdle, rest), func() { p.expire(s, k) })
	p.idle[s] = append(p.idle[s], k)
}

// expire ends a connection that nobody took in the meantime.
func (p *pool) expire(s Server, k *kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.idle[s], k); i >= 0 {
		p.idle[s] = slices.Delete(p.idle[s], i, i+1)
		k.conn.Close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, list := range p.idle {
		for _, k := range list {
			k.timer.Stop()
			k.conn.Close()
		}
	}
	clear(p.idle)
}
