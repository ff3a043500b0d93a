// SPDX-License-Identifier: MIT

package relay

import (
	"sync"
	"time"

	"posthouse/mail"
	"posthouse/reply"
)

// Verdicts is what servers said of addresses. It is bounded, since strangers choose which addresses we ask about.
type Verdicts struct {
	now  func() time.Time
	most int

	mu    sync.Mutex
	known map[mail.Path]verdict
}

type verdict struct {
	reply reply.Reply
	asked time.Time
}

// NewVerdicts knows nothing yet, and will remember so many answers [10000]. now: [time.Now].
func NewVerdicts(now func() time.Time, most int) *Verdicts {
	if now == nil {
		now = time.Now
	}
	if most <= 0 {
		most = maxMailboxes
	}
	return &Verdicts{now: now, most: most, known: map[mail.Path]verdict{}}
}

// of is what is known, and how old that is.
func (v *Verdicts) of(to mail.Path) (r reply.Reply, age time.Duration, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k, ok := v.known[to]
	return k.reply, v.now().Sub(k.asked), ok
}

// add remembers an answer. When there is no place left, any other one goes: those who guess at addresses must not make it
// forget all.
func (v *Verdicts) add(to mail.Path, r reply.Reply) {
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
