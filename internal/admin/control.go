// SPDX-License-Identifier: MIT

package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"
)

// Bounds of the control socket.
const (
	controlConnections = 16
	requestBytes       = 1 << 20
	requestTimeout     = 10 * time.Second
	replyTimeout       = 30 * time.Second // for the client to take one line
)

// Handler answers one verb of the control socket: any number of replies, each one line of JSON, then nil or what went wrong. ctx ends when the
// client leaves or the service is cut off. reply fails when the client is gone.
type Handler func(ctx context.Context, args json.RawMessage, reply func(v any) error) error

// request and answerLine are the protocol.
type request struct {
	Verb string          `json:"verb"`
	Args json.RawMessage `json:"args,omitempty"`
}

type answerLine struct {
	Value json.RawMessage `json:"value,omitempty"`
	Done  bool            `json:"done,omitempty"`
	Error string          `json:"error,omitempty"`
}

// Control is a service's control socket. Make it with ListenControl.
type Control struct {
	listener net.Listener
	socket   *Private
	verbs    map[string]Handler
	log      *slog.Logger
}

// ListenControl opens the socket at path, replacing one that a dead process left. A live one is an error.
func ListenControl(path string, verbs map[string]Handler, log *slog.Logger) (*Control, error) {
	l, err := ListenPrivate("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return NewControl(l, verbs, log), nil
}

// NewControl is for a socket that is open already; it is the Control's from now on.
func NewControl(l *Private, verbs map[string]Handler, log *slog.Logger) *Control {
	return &Control{listener: newBounded(patient{l.UnixListener}, controlConnections), socket: l, verbs: verbs, log: log}
}

// Serve answers until stop ends; requests under way end with hard. The file is gone when it returns.
func (c *Control) Serve(stop, hard context.Context) error {
	defer c.socket.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	release := context.AfterFunc(stop, func() { c.listener.Close() })
	defer release()
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			if stop.Err() != nil {
				return nil
			}
			c.listener.Close()
			return fmt.Errorf("control socket: %w", err)
		}
		wg.Go(func() { c.serve(hard, conn) })
	}
}

// Close is for a Control that never served.
func (c *Control) Close() error { return c.socket.Close() }

func (c *Control) serve(hard context.Context, conn net.Conn) {
	defer conn.Close()
	release := context.AfterFunc(hard, func() { conn.Close() })
	defer release()
	r := bufio.NewReader(io.LimitReader(conn, requestBytes))
	if conn.SetReadDeadline(time.Now().Add(requestTimeout)) != nil {
		return
	}
	var req request
	if err := json.NewDecoder(r).Decode(&req); err != nil {
		c.log.Debug("control: bad request", "error", err)
		_ = send(conn, answerLine{Error: "bad request: " + err.Error()})
		return
	}
	ctx, cancel := context.WithCancel(hard)
	defer cancel()
	go func() { // the client says no more, so whatever read returns means it left
		_ = conn.SetReadDeadline(time.Time{})
		_, _ = io.Copy(io.Discard, conn)
		cancel()
	}()
	c.answer(ctx, conn, req)
}

func (c *Control) answer(ctx context.Context, conn net.Conn, req request) {
	err := c.call(ctx, req, func(v any) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		value, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		return send(conn, answerLine{Value: value})
	})
	last := answerLine{Done: true}
	if err != nil {
		last = answerLine{Error: err.Error()}
		c.log.Info("control: refused", "verb", req.Verb, "error", err)
	}
	_ = send(conn, last) // a client that left is no concern of ours
}

// call never panics: a mistake in a command must not end the mail service.
func (c *Control) call(ctx context.Context, req request, reply func(any) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("control: panic", "verb", req.Verb, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("%s failed inside the service, see its log", req.Verb)
		}
	}()
	h, ok := c.verbs[req.Verb]
	if !ok {
		return fmt.Errorf("this service does not know %q", req.Verb)
	}
	return h(ctx, req.Args, reply)
}

func send(conn net.Conn, a answerLine) error {
	line, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if err := conn.SetWriteDeadline(time.Now().Add(replyTimeout)); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// ErrNotRunning is Call's answer when no process listens at the socket.
var ErrNotRunning = errors.New("service is not running")

// Call asks the service at path and gives each its replies in order. The service's own complaint is the error.
func Call(ctx context.Context, path, verb string, args any, each func(json.RawMessage) error) error {
	conn, err := dialControl(ctx, path)
	if err != nil {
		return err
	}
	defer conn.Close()
	release := context.AfterFunc(ctx, func() { conn.Close() })
	defer release()
	if err := ask(conn, verb, args); err != nil {
		return err
	}
	err = readAnswers(json.NewDecoder(conn), each)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func dialControl(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, os.ErrNotExist), refused(err):
		return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	return nil, fmt.Errorf("control socket: %w", err)
}

func ask(conn net.Conn, verb string, args any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	line, err := json.Marshal(request{Verb: verb, Args: raw})
	if err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	if len(line) >= requestBytes {
		return fmt.Errorf("%s: request of %d bytes is too long", verb, len(line))
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	return nil
}

func readAnswers(dec *json.Decoder, each func(json.RawMessage) error) error {
	for {
		var a answerLine
		if err := dec.Decode(&a); err != nil {
			return fmt.Errorf("service went away in mid-answer: %w", err)
		}
		switch {
		case a.Error != "":
			return errors.New(a.Error)
		case a.Done:
			return nil
		case each == nil:
		default:
			if err := each(a.Value); err != nil {
				return err
			}
		}
	}
}
