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
)

// The verbs of the control socket.
const (
	VerbList    = "queue.list"    // Filter -> Item...
	VerbShow    = "queue.show"    // Filter with ids -> Detail...
	VerbRetry   = "queue.retry"   // Filter -> Item... as they are now; held ones only if named by id or by state
	VerbHold    = "queue.hold"    // Filter -> Item...
	VerbRelease = "queue.release" // Filter -> Item...
	VerbDelete  = "queue.delete"  // Filter -> Item...: nobody is told
	VerbBounce  = "queue.bounce"  // Filter -> Item...: the sender is told
	VerbExport  = "queue.export"  // Transfer -> Moved...
	VerbImport  = "queue.import"  // Transfer -> Moved...
	VerbUpgrade = "queue.upgrade" // nothing -> nothing
)

// Control is the handlers of the `queue` commands. They work over a stopped store as well: see Stopped.
func (m *Manager) Control() map[string]admin.Handler {
	return map[string]admin.Handler{
		VerbList:    m.filtered(false, m.list),
		VerbShow:    m.filtered(true, m.show),
		VerbRetry:   m.filtered(true, m.retry),
		VerbHold:    m.filtered(true, m.hold),
		VerbRelease: m.filtered(true, m.release),
		VerbDelete:  m.filtered(true, m.remove),
		VerbBounce:  m.filtered(true, m.bounce),
		VerbExport:  m.export,
		VerbImport:  m.bring,
		VerbUpgrade: m.upgrade,
	}
}

// replier sends one line of the answer.
type replier = func(v any) error

// filtered decodes and checks the Filter of a command. strict asks for a filter that is not empty.
func (m *Manager) filtered(strict bool, do func(context.Context, Filter, replier) error) admin.Handler {
	return func(ctx context.Context, args json.RawMessage, reply func(any) error) error {
		var f Filter
		if err := decode(args, &f); err != nil {
			return err
		}
		if err := f.check(strict); err != nil {
			return err
		}
		return do(ctx, f, reply)
	}
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

func (m *Manager) list(ctx context.Context, f Filter, reply replier) error {
	return m.find(ctx, f, func(x found) error { return replyItems(x, reply) })
}

func replyItems(x found, reply replier) error {
	for _, it := range items(x) {
		if err := reply(it); err != nil {
			return err
		}
	}
	return nil
}

// Detail is one message, as `queue show` has it.
type Detail struct {
	Items    []Item         `json:"items"`
	Envelope *mail.Envelope `json:"envelope"`
	Header   string         `json:"header"`
}

func (m *Manager) show(ctx context.Context, f Filter, reply replier) error {
	return m.find(ctx, f, func(x found) error {
		if x.env == nil {
			return fmt.Errorf("%s cannot be read: %w", x.id, x.err)
		}
		header := strings.ReplaceAll(x.msg.Header.String(), "\r\n", "\n")
		return reply(Detail{Items: items(x), Envelope: x.env, Header: header})
	})
}

// errNoUpgrade is for stores whose format has no second version.
var errNoUpgrade = errors.New("this store has nothing to upgrade")

func (m *Manager) upgrade(ctx context.Context, _ json.RawMessage, _ func(any) error) error {
	if m.Upgrade == nil {
		return errNoUpgrade
	}
	return m.Upgrade(ctx)
}
