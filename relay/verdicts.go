// SPDX-License-Identifier: MIT

package relay

import (
	"sync"
	"time"

	"posthouse/mail"
	"posthouse/reply"
)

// verdicts is what servers said of addresses. It is bounded, since strangers choose which addresses we ask about.
type verdicts struct {
	now  func() time.Time
	most int

	mu    sync.Mutex
	known map[mail.Path]verdict
}

type verdict struct {
	reply reply.Reply
	asked time.Time
}

func newVerdicts(now func() time.Time, most int) *verdicts {
	return &verdicts{now: now, most: most, known: map[mail.Path]verdict{}}
}

// of is what is known, and how old that is.
func (v *verdicts) of(to mail.Path) (r reply.Reply, age time.Duration, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k, ok := v.known[to]
	return k.reply, v.now().Sub(k.asked), ok
}

// add remembers an answer. When there is no place left, any other one goes: those who guess at addresses must not make it
// forget all.
func (v *verdicts) add(to mail.Path, r reply.Reply) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, ok := v.known[to]; !ok && len(v.known) >= v.most {
		for some := range v.known {
			delete(v.known, some)
			break
		}
	}
	v.known[to] = verdict{r, v.now()}
}
