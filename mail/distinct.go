// SPDX-License-Identifier: MIT

package mail

// Distinct gathers recipients, each once: who is named by several ways keeps the first, and is told what any of them asked
// for. The zero Distinct is empty.
type Distinct struct {
	All   []Recipient
	index map[Path]int
}

// Add takes recipients in.
func (d *Distinct) Add(more ...Recipient) {
	if d.index == nil {
		d.index = make(map[Path]int, len(more))
	}
	for _, r := range more {
		if i, ok := d.index[r.To]; ok {
			d.All[i].Notify = d.All[i].Notify.merge(r.Notify)
			continue
		}
		d.index[r.To] = len(d.All)
		d.All = append(d.All, r)
	}
}

// merge joins what two ways to one recipient asked for (RFC 3461 4.1): NEVER only if both did, and a way that did not say
// asks for reports of failure and delay.
func (n Notify) merge(m Notify) Notify {
	const usual = NotifyFailure | NotifyDelay
	switch {
	case n == m:
		return n
	case n == NotifyNever:
		return m
	case m == NotifyNever:
		return n
	case n == 0:
		return m | usual
	case m == 0:
		return n | usual
	}
	return n | m
}
