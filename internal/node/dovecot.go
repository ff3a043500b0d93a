// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"time"

	"posthouse/config"
	"posthouse/dovecot"
	"posthouse/internal/daemon"
	"posthouse/upstream"
)

// dovecotPatience is how long a private Dovecot may take to its first listen.
const dovecotPatience = 30 * time.Second

// UseDovecot puts a private Dovecot in the place of the embedded store: maildrop delivers to it by LMTP, and it serves the same
// Maildirs by IMAPS on port. Users log in with the passwords of smtp_out.
func (c *Cluster) UseDovecot(port int) error {
	switch {
	case c.Maildrop == nil || c.Maildrop.Maildir == nil:
		return errors.New("a private Dovecot takes the place of the embedded store: maildrop needs maildir: {root: ...}")
	case c.SMTPOut == nil || c.SMTPOut.Auth == nil:
		return errors.New("a private Dovecot takes its users from smtp_out: auth: {passwd_file: ...}")
	case c.TLS.Certificate == "":
		return errors.New("a private Dovecot serves IMAP over TLS only: tls needs certificate and key")
	}
	o := dovecot.Options{Hostname: c.Maildrop.Hostname, Address: "127.0.0.1", Port: port}
	for _, p := range []struct {
		into *string
		path string
	}{
		{&o.Dir, filepath.Join(filepath.Dir(c.File), "dovecot")},
		{&o.MailRoot, string(c.Maildrop.Maildir.Root)},
		{&o.PasswdFile, string(c.SMTPOut.Auth.PasswdFile)},
		{&o.Certificate, string(c.TLS.Certificate)},
		{&o.Key, string(c.TLS.Key)},
	} {
		path, err := filepath.Abs(p.path)
		if err != nil {
			return err
		}
		*p.into = path
	}
	o.LMTP = filepath.Join(o.Dir, "lmtp")
	c.putDovecot(&o)
	return nil
}

// keepDovecot has a file that was read anew go on with the private Dovecot that runs.
func (c *Cluster) keepDovecot(from *Cluster) {
	if from.private != nil && c.Maildrop != nil {
		c.putDovecot(from.private)
	}
}

func (c *Cluster) putDovecot(o *dovecot.Options) {
	c.private = o
	c.Maildrop.Maildir = nil
	c.Maildrop.LMTP = []upstream.Server{{Address: config.Address{Network: "unix", Path: o.LMTP}, MaxFails: 1,
		FailTimeout: config.Duration(time.Second), Weight: 1}}
}

// addDovecot runs the private Dovecot. It is the first part to start and so the last to end: what is on its way into the
// mailboxes still gets there.
func (p *process) addDovecot() {
	if p.current.private == nil {
		return
	}
	var end context.CancelFunc
	ended := make(chan error, 1)
	p.daemon.Add(daemon.Part{
		Name: "dovecot",
		Start: func(ctx context.Context) (err error) {
			end, err = p.startDovecot(ctx, ended)
			return err
		},
		Run: func(stop, _ context.Context) error {
			select {
			case <-stop.Done():
				return nil
			case err := <-ended:
				ended <- nil // for Close: the error is told here
				return err
			}
		},
		Close: func() error {
			end()
			return <-ended
		},
	})
}

// startDovecot starts it and waits until it takes mail. Without an error, end stops it, and ended tells how it ended.
func (p *process) startDovecot(ctx context.Context, ended chan error) (end context.CancelFunc, err error) {
	installed, err := dovecot.Find(ctx)
	if err != nil {
		return nil, err
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	waiting, stopWaiting := context.WithTimeout(ctx, dovecotPatience)
	defer stopWaiting()
	log := slog.NewLogLogger(p.Log.With("service", "dovecot").Handler(), slog.LevelInfo).Writer()
	go func() {
		ended <- dovecot.Run(running, installed, *p.current.private, log)
		stopWaiting()
	}()
	if err := dovecot.Ready(waiting, *p.current.private); err != nil {
		end()
		return nil, errors.Join(err, <-ended)
	}
	p.listeners = append(p.listeners, Listener{"dovecot", "127.0.0.1:" + strconv.Itoa(p.current.private.Port), " IMAPS"})
	return end, nil
}
