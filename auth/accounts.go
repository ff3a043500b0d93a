// SPDX-License-Identifier: MIT

package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"posthouse/config"
)

// maxFile bounds a passwd-file, in octets: some 300,000 accounts.
const maxFile = 32 << 20

// maxComplaints bounds what one reading complains of.
const maxComplaints = 20

// accounts is one reading of a file.
type accounts struct {
	checks   map[string]check // who can log in
	names    []string         // the keys of checks, in the file's order
	warnings []string
	exposed  string            // to whom else the file's secrets are, if to anyone
	sum      [sha256.Size]byte // of the text
}

func readAccounts(path string) (*accounts, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("passwd_file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("passwd_file: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("passwd_file: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("passwd_file: %s: larger than %d MiB", path, maxFile>>20)
	}
	a, err := parseAccounts(path, string(text))
	if err == nil {
		a.exposed = config.Exposed(path, info.Mode())
	}
	return a, err
}

// parseAccounts takes the whole file or says, with file:line, what is wrong with it. Complaints name the user and never
// quote the line, which holds a secret.
func parseAccounts(path, text string) (*accounts, error) {
	a := &accounts{checks: make(map[string]check), sum: sha256.Sum256([]byte(text))}
	seen := make(map[string]int)
	var errs []error
	n := 0
	for line := range strings.Lines(text) {
		n++
		err := a.add(strings.TrimRight(line, "\r\n"), n, seen)
		var warning cannotLogIn
		switch {
		case errors.As(err, &warning):
			a.warnings = append(a.warnings, fmt.Sprintf("%s:%d: %v", path, n, err))
		case err != nil && len(errs) < maxComplaints:
			errs = append(errs, fmt.Errorf("%s:%d: %w", path, n, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return a, nil
}

// cannotLogIn is why a well-formed line gives nobody a login.
type cannotLogIn struct{ user, why string }

func (c cannotLogIn) Error() string { return fmt.Sprintf("user %q cannot log in: %s", c.user, c.why) }

// add takes one line. Empty ones, comments and lines without a user do not count, as in Dovecot.
func (a *accounts) add(line string, n int, seen map[string]int) error {
	if line == "" || line[0] == '#' || line[0] == ':' {
		return nil
	}
	fields := strings.SplitN(line, ":", 8)
	user := strings.ToLower(fields[0])
	switch {
	case len(fields) < 2:
		return errors.New("no colon: a line is user:{SCHEME}hash")
	case len(user) > maxLogin || !utf8.ValidString(user) || strings.ContainsAny(user, " \t"):
		return errors.New("not a user name before the first colon")
	case seen[user] > 0:
		return fmt.Errorf("user %q stands on line %d already", user, seen[user])
	}
	seen[user] = n
	if why := extraRefuses(fields); why != "" {
		return cannotLogIn{user, why}
	}
	check, err := parseStored(fields[1])
	switch {
	case errors.Is(err, errScheme):
		return cannotLogIn{user, err.Error()}
	case err != nil:
		return fmt.Errorf("user %q: %w", user, err)
	}
	a.checks[user] = check
	a.names = append(a.names, user)
	return nil
}

// extraRefuses reads Dovecot's extra fields for those that restrict a login. One that we do not act upon keeps its user
// out rather than letting it in from everywhere.
func extraRefuses(fields []string) string {
	if fields[1] == "" {
		return "no password"
	}
	if len(fields) < 8 {
		return ""
	}
	for extra := range strings.FieldsSeq(fields[7]) {
		key, _, _ := strings.Cut(extra, "=")
		switch strings.ToLower(key) {
		case "nologin", "allow_nets", "allow_real_nets", "nopassword", "proxy":
			return fmt.Sprintf("the extra field %q is not supported", key)
		}
	}
	return ""
}
