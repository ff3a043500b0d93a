// SPDX-License-Identifier: MIT

package auth

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// ErrCredentials is the one answer to every login that fails: unknown, wrong, locked or malformed.
var ErrCredentials = errors.New("login or password is wrong")

// ErrBusy means that too many checks were waiting; the client may come again.
var ErrBusy = errors.New("too many password checks at once")

// Limits on what a client may send, in octets, and on how long it waits for its turn.
const (
	maxLogin    = 255
	maxPassword = 1024
	maxWait     = 10 * time.Second
)

// PasswdFile is an open passwd-file. It may be used by several goroutines.
type PasswdFile struct {
	MaxWait time.Duration // for a turn [10 s]

	config Config
	turns  chan struct{} // one taken for each running check
	seed   maphash.Seed  // which account's cost an unknown name has
	users  atomic.Pointer[accounts]
}

// Open reads the file of a validated Config. As many checks run at once as there are processors, and at most 4: an ARGON2ID
// check takes 64 MiB.
func Open(c Config) (*PasswdFile, error) {
	p := &PasswdFile{
		MaxWait: maxWait,
		config:  c,
		turns:   make(chan struct{}, min(4, runtime.NumCPU())),
		seed:    maphash.MakeSeed(),
	}
	_, err := p.Reload()
	return p, err
}

// Paths are the files whose change asks for a Reload.
func (p *PasswdFile) Paths() []string { return []string{string(p.config.PasswdFile)} }

// Reload reads the file again. If anything is wrong with it, the last good one stays in force.
func (p *PasswdFile) Reload() (changed bool, err error) {
	fresh, err := readAccounts(string(p.config.PasswdFile))
	if err != nil {
		return false, err
	}
	old := p.users.Swap(fresh)
	return old != nil && old.sum != fresh.sum, nil
}

// Warnings name the lines whose users cannot log in here though the file is in order, such as those with a scheme that only
// Dovecot knows, and a file that everybody may read.
func (p *PasswdFile) Warnings() []string {
	users := p.users.Load()
	if users.exposed == "" {
		return users.warnings
	}
	return append([]string{users.exposed}, users.warnings...)
}

// Len is the number of users in force.
func (p *PasswdFile) Len() int { return len(p.users.Load().names) }

// Authenticate checks a password and returns the login as the file has it (after username_format), which is the name to
// count and log by. Errors are ErrCredentials, or ErrBusy, which also stands for a context that ended.
func (p *PasswdFile) Authenticate(ctx context.Context, user, password string) (login string, err error) {
	if !plausible(user, maxLogin) || !plausible(password, maxPassword) {
		return "", ErrCredentials
	}
	// Dovecot lower-cases logins before all else (auth_username_format = %Lu).
	login, err = format(p.config.UsernameFormat, strings.ToLower(user))
	if err != nil {
		return "", ErrCredentials
	}
	if err := p.take(ctx); err != nil {
		return "", err
	}
	defer func() { <-p.turns }()
	if !p.matches(login, password) {
		return "", ErrCredentials
	}
	return login, nil
}

// plausible is not empty, not too long, and UTF-8 without control characters.
func plausible(s string, limit int) bool {
	return s != "" && len(s) <= limit && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// take waits for a turn.
func (p *PasswdFile) take(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.MaxWait)
	defer cancel()
	select {
	case p.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, context.Cause(ctx))
	}
}

// matches runs one check, whatever the name: of an unknown one, or of one that may not log in, the result does not count.
func (p *PasswdFile) matches(login, password string) bool {
	users := p.users.Load()
	if check := users.checks[login]; check != nil {
		return check(password)
	}
	if len(users.names) > 0 {
		decoy := maphash.String(p.seed, login) % uint64(len(users.names))
		users.checks[users.names[decoy]](password)
	}
	return false
}
