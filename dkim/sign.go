// SPDX-License-Identifier: MIT

package dkim

import (
	"context"
	"fmt"
	"io"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"posthouse/mail"
)

// Sign makes the DKIM-Signature fields of a message, to be put before all others. None means that no line asks for one, or
// that From names no one author. An error wraps ErrKey, or is that of the body.
//
// It must be called last: what is signed is what has to be sent. The body is read once, and not at all if there is nothing to do.
func (s *Signer) Sign(ctx context.Context, msg *mail.Message) ([]mail.Field, error) {
	from, ok := sender(msg.Header)
	if !ok {
		return nil, nil
	}
	now := s.state.Load()
	var with []signature
	for _, u := range now.signing.uses(from, s.config.MultipleSignatures) {
		sig, err := now.keys.find(u, from.Domain())
		if err != nil {
			return nil, fmt.Errorf("%w for %s: %w", ErrKey, from, err)
		}
		with = append(with, sig)
	}
	if len(with) == 0 {
		return nil, nil
	}
	return sign(ctx, msg, with)
}

// SignWith signs by one key, without tables.
func SignWith(ctx context.Context, msg *mail.Message, domain, selector string, key []byte) (mail.Field, error) {
	signer, err := ParseKey(key)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKey, err)
	}
	fields, err := sign(ctx, msg, []signature{{domain: domain, selector: selector, key: signer}})
	if err != nil {
		return "", err
	}
	return fields[0], nil
}

// sign streams a message through one signer for each signature.
func sign(ctx context.Context, msg *mail.Message, with []signature) ([]mail.Field, error) {
	names, fields := choose(msg.Header)
	signers, err := newSigners(with, names)
	if err != nil {
		return nil, err
	}
	err = feed(ctx, signers, fields, msg.Body)
	out := make([]mail.Field, 0, len(signers))
	for _, s := range signers { // each has a goroutine, which ends here
		if closed := s.Close(); closed != nil && err == nil {
			err = fmt.Errorf("%w: %w", ErrKey, closed)
		}
	}
	if err != nil {
		return nil, err
	}
	for _, s := range signers {
		out = append(out, mail.Field(s.Signature()))
	}
	return out, nil
}

func newSigners(with []signature, names []string) ([]*msgauth.Signer, error) {
	var out []*msgauth.Signer
	for _, w := range with {
		s, err := msgauth.NewSigner(&msgauth.SignOptions{
			Domain: w.domain, Selector: w.selector, Identifier: w.identity, Signer: w.key, HeaderKeys: names,
			HeaderCanonicalization: msgauth.CanonicalizationRelaxed, BodyCanonicalization: msgauth.CanonicalizationRelaxed,
		})
		if err != nil {
			for _, o := range out {
				_ = o.Close()
			}
			return nil, fmt.Errorf("%w: %w", ErrKey, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// feed gives the signers the chosen fields and the body.
func feed(ctx context.Context, signers []*msgauth.Signer, fields []string, body mail.Body) error {
	writers := make([]io.Writer, len(signers))
	for i, s := range signers {
		writers[i] = s
	}
	w := io.MultiWriter(writers...)
	for _, f := range append(fields, "\r\n") {
		if _, err := io.WriteString(w, f); err != nil {
			return err
		}
	}
	r, err := body.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	// A plain Writer and Reader: blocks of 32 KiB, with a look at the context between them.
	_, err = io.Copy(w, reader{ctx, r})
	return err
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
