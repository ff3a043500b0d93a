// SPDX-License-Identifier: MIT

package srs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"posthouse/mail"
)

// What can be wrong with an address that comes home, or with a sender. None of them is worth another try.
var (
	ErrSyntax  = errors.New("not a well-formed SRS address")
	ErrHash    = errors.New("invalid hash in SRS address")
	ErrExpired = errors.New("expired SRS address")
	ErrTooLong = errors.New("rewritten sender would be too long")
)

// Rewriter makes and reverses SRS addresses. It may be used by several goroutines.
type Rewriter struct {
	Now func() time.Time // time.Now

	config   Config
	excluded []string // in lower case; ".d" is what is below d
	file     atomic.Pointer[reading]
}

// Open reads the secrets of a validated Config.
func Open(c Config) (*Rewriter, error) {
	r := &Rewriter{Now: time.Now, config: c, excluded: c.exclusions()}
	_, err := r.Reload()
	return r, err
}

// Paths are the files whose change asks for a Reload.
func (r *Rewriter) Paths() []string { return []string{string(r.config.SecretFile)} }

// Reload reads the secrets again. If that fails the last good ones stay in force.
func (r *Rewriter) Reload() (changed bool, err error) {
	fresh, err := readSecrets(string(r.config.SecretFile))
	if err != nil {
		return false, err
	}
	old := r.file.Swap(&fresh)
	return old != nil && !slices.EqualFunc(old.keys, fresh.keys, slices.Equal[[]byte]), nil
}

// Warnings are about a secret file that everybody may read.
func (r *Rewriter) Warnings() []string {
	if exposed := r.file.Load().exposed; exposed != "" {
		return []string{exposed}
	}
	return nil
}

// keys are the secrets in force.
func (r *Rewriter) keys() secrets { return r.file.Load().keys }

// Forward is the sender that the next hop sees. The empty sender, one in the rewriting domain and one in an excluded domain
// come back as they are. ErrTooLong and ErrSyntax mean that it has to go out unrewritten.
func (r *Rewriter) Forward(sender mail.Path) (mail.Path, error) {
	if sender.Domain() == "" || sender.Domain() == string(r.config.Domain) || r.Excludes(sender.Domain()) {
		return sender, nil
	}
	return r.Rewrite(sender)
}

// Excludes reports a domain of exclude_domains.
func (r *Rewriter) Excludes(domain string) bool {
	for _, d := range r.excluded {
		if domain == d || d[0] == '.' && strings.HasSuffix(domain, d) {
			return true
		}
	}
	return false
}

// Domain is that of rewritten senders.
func (r *Rewriter) Domain() string { return string(r.config.Domain) }

// Rewrite is Forward for any sender with a domain, be it excluded or our own.
func (r *Rewriter) Rewrite(sender mail.Path) (mail.Path, error) {
	local, err := r.compile(sender)
	if err != nil {
		return mail.Path{}, fmt.Errorf("srs forward %s: %w", sender, err)
	}
	out, err := mail.MakePath(local, string(r.config.Domain))
	if err != nil { // the parts were good before: only their sum can be too much
		return mail.Path{}, fmt.Errorf("srs forward %s: %w", sender, errors.Join(ErrTooLong, err))
	}
	return out, nil
}

// compile makes the local part: a new SRS0, or an SRS1 that names the forwarder which made the SRS0.
func (r *Rewriter) compile(sender mail.Path) (string, error) {
	local, host := sender.Local(), sender.Domain()
	// Mail::SRS refuses an "@" too: quoted, it invites misreading on the way back.
	if strings.Contains(local, "@") {
		return "", ErrSyntax
	}
	if rest, ok := cutTag(local, "SRS1"); ok {
		_, host, opaque, ok := cut3(rest[1:])
		if !ok || !reaches(host, opaque) {
			return "", ErrSyntax
		}
		return r.guard(host, opaque), nil
	}
	if rest, ok := cutTag(local, "SRS0"); ok {
		return r.guard(host, rest), nil
	}
	keys, when := r.keys(), stamp(r.Now())
	hash := keys.sign(r.config.HashLength, when, host, local)
	return "SRS0" + r.config.Separator + strings.Join([]string{hash, when, host, local}, "="), nil
}

// guard is the SRS1 local part. What follows SRS0 in the inner address, separator included, is opaque: the first forwarder
// alone can judge its hash.
func (r *Rewriter) guard(host, opaque string) string {
	hash := r.keys().sign(r.config.HashLength, host, opaque)
	return "SRS1" + r.config.Separator + strings.Join([]string{hash, host, opaque}, "=")
}

// Is reports an address in the rewriting domain that claims to be SRS, in either case.
func (r *Rewriter) Is(to mail.Path) bool { return Tagged(to) && to.Domain() == string(r.config.Domain) }

// Reverse is the address that a bounce to an SRS address of ours goes to: the sender, or the forwarder before us. Errors
// wrap ErrSyntax, ErrHash or ErrExpired.
func (r *Rewriter) Reverse(to mail.Path) (mail.Path, error) {
	if !r.Is(to) {
		return mail.Path{}, fmt.Errorf("srs reverse %s: %w", to, ErrSyntax)
	}
	return r.Undo(to)
}

// Tagged reports an address that claims to be SRS, whatever its domain.
func Tagged(p mail.Path) bool {
	_, zero := cutTag(p.Local(), "SRS0")
	_, one := cutTag(p.Local(), "SRS1")
	return zero || one
}

// Undo is Reverse in any domain, as PostSRSd has it: the hash alone says whose address it is, and the domain may be one that
// the forwarder had before.
func (r *Rewriter) Undo(to mail.Path) (mail.Path, error) {
	if !Tagged(to) {
		return mail.Path{}, fmt.Errorf("srs reverse %s: %w", to, ErrSyntax)
	}
	local, host, err := r.parse(to.Local())
	if err != nil {
		return mail.Path{}, fmt.Errorf("srs reverse %s: %w", to, err)
	}
	out, err := mail.MakePath(local, host)
	if err != nil {
		return mail.Path{}, fmt.Errorf("srs reverse %s: %w: %w", to, ErrSyntax, err)
	}
	return out, nil
}

// parse takes a local part apart. The hash is judged before the date, which it covers.
func (r *Rewriter) parse(local string) (user, host string, err error) {
	keys := r.keys()
	if rest, ok := cutTag(local, "SRS1"); ok {
		hash, host, opaque, ok := cut3(rest[1:])
		if !ok || !startsOpaque(opaque) {
			return "", "", ErrSyntax
		}
		if !keys.verify(r.config.HashMinimum, hash, host, opaque) {
			return "", "", ErrHash
		}
		return "SRS0" + opaque, host, nil
	}
	hash, when, inner, ok := cut3(local[len("SRS0="):])
	host, user, found := strings.Cut(inner, "=")
	if !ok || !found || user == "" {
		return "", "", ErrSyntax
	}
	if !keys.verify(r.config.HashMinimum, hash, when, host, user) {
		return "", "", ErrHash
	}
	if !fresh(when, r.Now(), time.Duration(r.config.MaxAge)) {
		return "", "", ErrExpired
	}
	return user, host, nil
}

// cutTag takes SRS0 or SRS1 off a local part; the rest begins with the separator that followed it.
func cutTag(local, tag string) (rest string, found bool) {
	if len(local) <= len(tag) || !strings.EqualFold(local[:len(tag)], tag) || !isSeparator(local[len(tag):len(tag)+1]) {
		return "", false
	}
	return local[len(tag):], true
}

// reaches reports whether a bounce to host and the inner part of an SRS1 address would have an address at all.
func reaches(host, opaque string) bool {
	_, err := mail.MakePath("SRS0"+opaque, host)
	return startsOpaque(opaque) && err == nil
}

// startsOpaque reports the separator that must follow the SRS0 which an SRS1 address leaves out.
func startsOpaque(s string) bool { return s != "" && isSeparator(s[:1]) }

// cut3 splits at the first two "=". The first two parts must not be empty.
func cut3(s string) (first, second, rest string, ok bool) {
	first, s, ok1 := strings.Cut(s, "=")
	second, rest, ok2 := strings.Cut(s, "=")
	return first, second, rest, ok1 && ok2 && first != "" && second != ""
}
