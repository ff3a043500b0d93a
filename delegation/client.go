// SPDX-License-Identifier: MIT

package delegation

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// maxAtOnce is how many questions one server answers at a time; others wait their turn within their own time-out.
const maxAtOnce = 100

// Options of a Client; zero values mean what is in brackets.
type Options struct {
	Dial func(ctx context.Context, network, address string) (net.Conn, error) // [net.Dialer]
	Now  func() time.Time                                                     // [time.Now]
	Log  *slog.Logger                                                         // [discards]
}

// Client asks policy servers and keeps connections to them. It is safe for use by many at once. Close ends it.
type Client struct {
	o    Options
	pool *pool
}

// New makes a Client.
func New(o Options) *Client {
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Client{o: o, pool: newPool(o.Now)}
}

// Close ends the idle connections; those in use end with their question.
func (c *Client) Close() error {
	c.pool.close()
	return nil
}

// Ask puts a question and returns the action of the answer: one line, no controls. If there is no answer within the
// server's time-out and tries, or one that cannot be read, it returns the server's default_action with the reason: the
// action holds, the error is for log and explain.
func (c *Client) Ask(ctx context.Context, s Server, attributes []Attribute) (action string, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	question := encode(attributes, s.Context)
	for try := 1; ; try++ {
		action, err := c.try(ctx, s, question)
		if err == nil {
			return action, nil
		}
		if try >= s.Tries || !wait(ctx, s.RetryDelay) {
			err = fmt.Errorf("policy server %s: %w", s.Address, err)
			c.o.Log.Warn("policy server gives no answer", "server", s.Address.String(), "action", s.Action, "error", err)
			return s.Action, err
		}
	}
}

// try asks on a connection that waited, if there is one. A server may let go of those at any time, so that one which
// turns out to be closed costs no try.
func (c *Client) try(ctx context.Context, s Server, question []byte) (string, error) {
	if err := c.pool.enter(ctx, s); err != nil {
		return "", err
	}
	defer c.pool.leave(s)
	if kept := c.pool.take(s); kept != nil {
		action, err := c.ask(ctx, s, kept, question)
		if err == nil || !stale(err) {
			return action, err
		}
	}
	network, address := s.Address.Dial()
	conn, err := c.o.Dial(ctx, network, address)
	if err != nil {
		return "", err
	}
	return c.ask(ctx, s, &kept{conn: conn, reader: bufio.NewReaderSize(conn, maxAnswer), born: c.o.Now()}, question)
}

// stale tells a connection that had ended from an answer that is wrong or late.
func stale(err error) bool {
	var timeout net.Error
	var op *net.OpError
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return false
	case errors.Is(err, errStale):
		return true
	}
	return errors.As(err, &op) // reset or broken pipe
}

// ask keeps the connection if all went well and nothing stands in it beyond the answer.
func (c *Client) ask(ctx context.Context, s Server, k *kept, question []byte) (string, error) {
	stop := context.AfterFunc(ctx, func() { k.conn.SetDeadline(time.Unix(1, 0)) })
	action, err := k.exchange(question)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil || k.reader.Buffered() > 0 {
		k.conn.Close()
		return action, cause(ctx, err)
	}
	k.asked++
	c.pool.put(s, k)
	return action, nil
}

// cause says that the time is over rather than how the connection was told so.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
