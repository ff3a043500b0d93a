// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
)

// check asks header_checks and body_checks about the message as Postfix shows it to them, our Received on top.
func (t *transaction) check(ctx context.Context, d *draft) error {
	if t.service.Checks == nil {
		return nil
	}
	start := t.service.now()
	r, err := t.service.Checks().Examine(ctx, &d.msg, t.service.Spool)
	if r.Draft != nil {
		d.discard = append(d.discard, r.Draft)
	}
	if err != nil {
		return err
	}
	for _, h := range r.Hits {
		t.trails.text.Add(step("message", h.Where+"_checks "+h.Table, h.Line, h.Action+" "+h.Text, t.service.now().Sub(start)))
		t.service.Log.Info("content check", "id", string(t.env.ID), "hit", h.String())
	}
	for _, f := range r.Faults {
		t.service.Log.Warn("content check cannot be obeyed", "id", string(t.env.ID), "line", f)
	}
	if err := r.Verdict.Err(); err != nil {
		t.service.Metrics.rule(r.Verdict)
		return err
	}
	d.pass, d.msg.Header = r.Pass, r.Header
	if r.Draft != nil {
		if err := d.replaceBody(r.Body); err != nil {
			return err
		}
	}
	t.effects.Add(r.Effects)
	return nil
}
