// SPDX-License-Identifier: MIT

package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"posthouse/internal/admin"
	"posthouse/mail"
	"posthouse/queue"
)

// The verbs of the control socket: arguments -> answers.
const (
	VerbList    = "queue.list"    // Filter -> Item...
	VerbShow    = "queue.show"    // Filter -> Detail...
	VerbRetry   = "queue.retry"   // Filter -> Acted: held ones excepted
	VerbHold    = "queue.hold"    // Filter -> Acted
	VerbRelease = "queue.release" // Filter -> Acted
	VerbDelete  = "queue.delete"  // Filter -> Acted: nobody is told
	VerbBounce  = "queue.bounce"  // Filter -> Acted: the sender is told
	VerbExport  = "queue.export"  // Transfer -> Moved...
	VerbImport  = "queue.import"  // Transfer -> Moved...
	VerbUpgrade = "queue.upgrade" // nothing -> nothing
)

// Acted counts recipients: Now were changed, Later are being tried at this moment and follow when their attempt ends, unless
// it delivers them.
type Acted struct {
	Now   int `json:"now"`
	Later int `json:"later"`
}

// Detail is one message, as `queue show` has it.
type Detail struct {
	Items    []Item         `json:"items"`
	Envelope *mail.Envelope `json:"envelope"`
	Header   string         `json:"header"`
}

// Control is the handlers of the `queue` commands.
func (m *Manager) Control() map[string]admin.Handler {
	return map[string]admin.Handler{
		VerbList:    filtered(m.list),
		VerbShow:    filtered(m.show),
		VerbRetry:   acting(m.Queue.Retry),
		VerbHold:    acting(m.Queue.Hold),
		VerbRelease: acting(m.Queue.Release),
		VerbDelete:  acting(m.Queue.Delete),
		VerbBounce:  acting(m.bounce),
		VerbExport:  m.export,
		VerbImport:  m.bring,
		VerbUpgrade: m.upgrade,
	}
}

// replier sends one line of the answer.
type replier = func(v any) error

// filtered decodes and checks the Filter of a command.
func filtered(do func(context.Context, queue.Filter, replier) error) admin.Handler {
	return func(ctx context.Context, args json.RawMessage, reply func(any) error) error {
		var f Filter
		if err := decode(args, &f); err != nil {
			return err
		}
		chosen, err := f.chooses()
		if err != nil {
			return err
		}
		return do(ctx, chosen, reply)
	}
}

// acting is for the commands that change the queue; the queue refuses an empty filter itself.
func acting(do func(context.Context, queue.Filter) (queue.Acted, error)) admin.Handler {
	return filtered(func(ctx context.Context, f queue.Filter, say replier) error {
		done, err := do(ctx, f)
		if err != nil {
			return err
		}
		return say(Acted{Now: done.Now, Later: done.Later})
	})
}

// decode is strict, so that a filter which a newer command knows is not passed over by an older service.
func decode(args json.RawMessage, into any) error {
	if len(args) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(args))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	return nil
}

// list goes past what cannot be read, and says so in its place.
func (m *Manager) list(ctx context.Context, f queue.Filter, say replier) error {
	for x, err := range m.Queue.List(ctx, f) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := say(item(x, err)); err != nil {
			return err
		}
	}
	return nil
}

// show says nothing of what is not there: it may be in the queue of another service.
func (m *Manager) show(ctx context.Context, f queue.Filter, say replier) error {
	for x, err := range m.messages(ctx, f) {
		if err != nil {
			return err
		}
		env, msg, err := m.Queue.Load(ctx, x.id)
		if err != nil {
			return fmt.Errorf("%s cannot be read: %w", x.id, err)
		}
		d := Detail{Envelope: env, Header: strings.ReplaceAll(msg.Header.String(), "\r\n", "\n")}
		for _, it := range x.items {
			d.Items = append(d.Items, item(it, nil))
		}
		if err := say(d); err != nil {
			return err
		}
	}
	return nil
}

// errNoUpgrade is for stores whose format has no second version.
var errNoUpgrade = errors.New("this store has nothing to upgrade")

func (m *Manager) upgrade(_ context.Context, _ json.RawMessage, _ func(any) error) error {
	if m.Upgrade == nil {
		return errNoUpgrade
	}
	return m.Upgrade()
}
