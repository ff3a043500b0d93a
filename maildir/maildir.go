// SPDX-License-Identifier: MIT

// Package maildir delivers into mailboxes on the local disk, in the form that Dovecot, Courier and most mail programs read.
//
// A Maildir has three folders. A message is written under a unique name in tmp, synced, and renamed into new, whose
// directory is synced too: a reader sees a message whole or not at all, and no lock is needed. When a reader has noticed it,
// it moves it to cur. Maildir++ adds sizes to the name (S= octets in the file, W= octets with CRLF), which saves a reader from
// opening each file, and subfolders as ".Name", which are the reader's to make: an address extension chooses none here.
// Lines end in LF, as in other Maildirs.
//
// As the last hop it writes Return-Path (RFC 5321 4.4; one that came with the message is dropped) and Delivered-To. A message
// that has the same Delivered-To already has been here before: that is a loop, and it fails.
//
// Which user an address means is the caller's to say. Files abandoned in tmp by a crash are the reader's to remove, as the
// Maildir rules have it.
package maildir

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"posthouse/internal/durable"
	"posthouse/mail"
	"posthouse/reply"
)

// Options of a store. Root and Hostname are required.
type Options struct {
	Root     string                                 // mailboxes are Root/<user>/Maildir
	Hostname string                                 // in the names of files, where several hosts may write
	User     func(mail.Path) (user string, ok bool) // nil: the local part up to "+", in lower case
	FS       durable.FS                             // nil: durable.OS
	Now      func() time.Time                       // nil: time.Now
}

// New makes a Carrier that delivers to the mailboxes below o.Root and makes those that are missing. Recipients are delivered one
// after the other; each has a result of its own.
func New(o Options) mail.Carrier {
	if o.User == nil {
		o.User = localUser
	}
	if o.FS == nil {
		o.FS = durable.OS
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &store{o}
}

type store struct{ Options }

// localUser is the local part up to its extension.
func localUser(p mail.Path) (string, bool) {
	user, _, _ := strings.Cut(p.Local(), "+")
	return strings.ToLower(user), user != ""
}

// Carry implements mail.Carrier. Recipients that were not reached when ctx ended stay Unknown.
func (s *store) Carry(ctx context.Context, env *mail.Envelope, msg *mail.Message) mail.Outcome {
	results := make(mail.Outcome, len(env.Recipients))
	for i := range env.Recipients {
		if ctx.Err() != nil {
			break
		}
		results[i] = result(ctx, s.deliver(ctx, env, &env.Recipients[i], msg))
	}
	return results
}

// deliver returns nil when the message is on the disk for good.
func (s *store) deliver(ctx context.Context, env *mail.Envelope, to *mail.Recipient, msg *mail.Message) error {
	user, ok := s.User(to.To)
	if !ok {
		return reply.UnknownUser
	}
	if !isFolder(user) {
		return reply.UnknownUser.Because(errors.New("not a name for a folder"))
	}
	header, err := lastHop(env, to, msg.Header)
	if err != nil {
		return err
	}
	box := mailbox{s.Options, filepath.Join(s.Root, user, "Maildir")}
	return box.add(ctx, &mail.Message{Header: header, Body: msg.Body})
}

// isFolder refuses what would leave Root, or be hidden in it. Whoever wrote the local part may have meant to.
func isFolder(name string) bool {
	return name != "" && name[0] != '.' && len(name) <= 255 && !strings.ContainsAny(name, "/\\\x00")
}

// lastHop is the header with the fields of the last hop (see the package doc), or MailLoop.
func lastHop(env *mail.Envelope, to *mail.Recipient, h mail.Header) (mail.Header, error) {
	address := to.To.String()
	for _, before := range h.Values("Delivered-To") {
		if strings.EqualFold(before, address) {
			return h, reply.MailLoop
		}
	}
	from := env.From
	if to.Sender != nil {
		from = *to.Sender
	}
	h.Remove("Return-Path")
	h.Prepend(mail.NewField("Return-Path", from.Wire()), mail.NewField("Delivered-To", address))
	return h, nil
}

// result turns a delivery's error into what became of the recipient. What is not a reply of ours is trouble of this host, and
// trouble passes: it is never a bounce.
func result(ctx context.Context, err error) mail.Result {
	if err == nil {
		return mail.Result{Status: mail.Delivered, Reply: reply.OK}
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return mail.Result{}
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = reply.DiskFull.Because(err)
	}
	r := reply.For(err)
	if r.Permanent() {
		return mail.Result{Status: mail.Failed, Reply: r}
	}
	return mail.Result{Status: mail.Deferred, Reply: r}
}
