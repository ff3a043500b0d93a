// SPDX-License-Identifier: MIT

package relay

import (
	"sync"
	"time"

	"posthouse/smtpclient"
)

// pool keeps conversations that have ended a message, for the next one to the same host at the same level.
type pool struct {
	limits Idle
	now    func() time.Time

	mu     sync.Mutex
	idle   map[poolKey][]*resting
	total  int
	closed bool
	leave  sync.WaitGroup // goodbyes under way
}

// poolKey is what has to be equal: a conversation with a host whose name was not verified is none for one where it was.
type poolKey struct {
	address, host, domain string
	lmtp                  bool
	level                 level
}

func keyOf(t target, l level) poolKey {
	k := poolKey{t.address, t.host, "", t.lmtp, l}
	if l == secure {
		k.domain = t.domain
	}
	return k
}

// resting is a conversation in the pool. Its timer sends it away; whoever takes it out of the map first has it.
type resting struct {
	conn  *smtpclient.Conn
	born  time.Time
	timer *time.Timer
}

func newPool(limits Idle, now func() time.Time) *pool {
	return &pool{limits: limits, now: now, idle: make(map[poolKey][]*resting)}
}

// take is the conversation used last, nil if there is none. It may have been closed meanwhile: Send finds out.
func (p *pool) take(k poolKey) *resting {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[k]
	if len(list) == 0 {
		return nil
	}
	r := list[len(list)-1]
	p.remove(k, len(list)-1)
	r.timer.Stop()
	return r
}

// put keeps a conversation that may still be of use, and ends any other.
func (p *pool) put(k poolKey, r *resting) {
	if !p.keep(k, r) {
		if r.conn.Usable() {
			r.conn.Quit()
		}
		r.conn.Close()
	}
}

func (p *pool) keep(k poolKey, r *resting) bool {
	if !r.conn.Usable() || r.conn.Sent() >= p.limits.Messages || p.now().Sub(r.born) >= p.limits.Age {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.total >= p.limits.Total || len(p.idle[k]) >= p.limits.PerHost {
		return false
	}
	p.idle[k] = append(p.idle[k], r)
	p.total++
	if r.timer == nil {
		r.timer = time.AfterFunc(p.limits.Time, func() { p.expire(k, r) })
	} else {
		r.timer.Reset(p.limits.Time)
	}
	return true
}

// remove takes out entry i of a key; p is locked.
func (p *pool) remove(k poolKey, i int) {
	list := p.idle[k]
	list[i] = list[len(list)-1]
	list[len(list)-1] = nil
	if list = list[:len(list)-1]; len(list) == 0 {
		delete(p.idle, k)
	} else {
		p.idle[k] = list
	}
	p.total--
}

// expire says goodbye, unless someone took the conversation in the meantime.
func (p *pool) expire(k poolKey, r *resting) {
	if p.forget(k, r) {
		defer p.leave.Done()
		r.conn.Quit()
	}
}

func (p *pool) forget(k poolKey, r *resting) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.idle[k] {
		if other == r {
			p.remove(k, i)
			p.leave.Add(1)
			return true
		}
	}
	return false
}

// close ends all idle conversations and keeps no more.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var all []*resting
	for k, list := range p.idle {
		all = append(all, list...)
		delete(p.idle, k)
	}
	p.total = 0
	p.mu.Unlock()
	for _, r := range all {
		r.timer.Stop()
		p.leave.Go(r.conn.Quit)
	}
	p.leave.Wait()
}
