// SPDX-License-Identifier: MIT

//go:build !linux

package loop

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// Engine needs epoll(7) and splice(2).
type Engine struct{}

// Door is a listening socket of an Engine.
type Door struct{}

var errSystem = fmt.Errorf("the balancer needs Linux: %w", errors.ErrUnsupported)

// New fails here.
func New(Options) (*Engine, error) { return nil, errSystem }

// Serve fails here.
func (*Engine) Serve(net.Listener, *Front) (*Door, error) { return nil, errSystem }

// Shutdown has nothing to do here.
func (*Engine) Shutdown(context.Context) error { return nil }

// Stats are all zero here.
func (*Engine) Stats() Stats { return Stats{} }

// Surrender fails here.
func (*Engine) Surrender(context.Context, func(Transfer) error) error { return errSystem }

// Adopt fails here.
func (*Engine) Adopt(Transfer, *Front, Visit) error { return errSystem }

// SetFront does nothing here.
func (*Door) SetFront(*Front) {}

// Close does nothing here.
func (*Door) Close() {}
