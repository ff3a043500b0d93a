// SPDX-License-Identifier: MIT

package loop

import (
	"context"
	"errors"
	"net"
)

// Engine is a set of loops and the sessions in them.
type Engine struct{}

// Door is a listening socket that an Engine accepts from.
type Door struct{}

// New starts the loops.
func New(o Options) (*Engine, error) { return &Engine{}, errors.ErrUnsupported }

// Serve accepts from l, by a descriptor of its own: l itself may be closed afterwards. It takes a *net.TCPListener or a
// *net.UnixListener.
func (e *Engine) Serve(l net.Listener, f *Front) (*Door, error) { return nil, errors.ErrUnsupported }

// SetFront is for connections accepted from now on.
func (d *Door) SetFront(f *Front) {}

// Close accepts no more. It may be called twice.
func (d *Door) Close() {}

// Shutdown closes the doors, waits for the sessions until hard ends, then cuts them, and ends the loops.
func (e *Engine) Shutdown(hard context.Context) error { return errors.ErrUnsupported }

// Stats may be asked at any time.
func (e *Engine) Stats() Stats { return Stats{} }

// Surrender gives every session away, once it is established; the doors are closed already. Give is called by the caller's
// goroutine and may block; meanwhile the session stands still. When it returns nil, the two descriptors are the receiver's
// and the Visit is told Done with HandedOver; an error leaves the session here, and it goes on. Surrender returns when none
// is left to give, or when ctx ends, with the errors of give joined.
func (e *Engine) Surrender(ctx context.Context, give func(Transfer) error) error {
	return errors.ErrUnsupported
}

// Adopt takes a session from another process or engine. Its descriptors are the engine's afterwards, also when it fails. V
// is told Done, and nothing else. Transfer.Visit is not looked at.
func (e *Engine) Adopt(t Transfer, f *Front, v Visit) error { return errors.ErrUnsupported }
