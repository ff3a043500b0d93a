// SPDX-License-Identifier: MIT

// Package dovecot runs a private Dovecot beside `posthouse up`: it renders a configuration for the installed version, 2.3 or
// 2.4, starts it in the foreground and ends it with its context. Mail goes in by LMTP (RFC 2033) over a unix socket and out
// by IMAP over TLS (RFC 9051, RFC 8314); the mailboxes are the Maildirs that the embedded store writes too.
//
// Nothing outside the folders given is read or written: neither /etc/dovecot nor a Dovecot that runs already is touched.
// Dovecot refuses to read mail as root, so under root the mailboxes belong to the system's user `mail`; otherwise all of it
// runs as the user who started it.
package dovecot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
)

// Options are the folders, files and addresses of one private Dovecot. Paths are absolute.
type Options struct {
	Dir         string // its own folder: configuration and state
	MailRoot    string // the Maildir of a user is MailRoot/USER/Maildir
	PasswdFile  string // Dovecot's passwd-file format, keyed by the name without a domain
	Certificate string
	Key         string
	Hostname    string // its name in banners and Received; never looked up
	LMTP        string // the unix socket to listen on
	Address     string // of IMAPS
	Port        int
}

// Version is what `dovecot --version` begins with.
type Version struct{ Major, Minor, Patch int }

// Installed is a Dovecot that can be run.
type Installed struct {
	Program string
	Version Version
}

// Errors of Find.
var (
	ErrMissing = errors.New("no Dovecot is installed")
	ErrVersion = errors.New("this version of Dovecot is not known")
)

// maxSocket is the longest path of a unix socket that every system takes (unix(7): 108 with the final zero).
const maxSocket = 107

// Find looks for Dovecot, also where a user's PATH does not reach, and asks for its version. Its LMTP and IMAP services
// come in packages of their own on Debian, so they are looked for too.
func Find(ctx context.Context) (Installed, error) {
	program, err := locate("dovecot", "/usr/sbin", "/usr/local/sbin")
	if err != nil {
		return Installed{}, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	for _, s := range []string{"imap", "lmtp"} {
		if _, err := locate(s, "/usr/lib/dovecot", "/usr/libexec/dovecot", "/usr/local/libexec/dovecot"); err != nil {
			return Installed{}, fmt.Errorf("%w whole: the %s service is missing (on Debian: apt-get install dovecot-imapd dovecot-lmtpd)", ErrMissing, s)
		}
	}
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return Installed{}, fmt.Errorf("asking %s for its version: %w", program, err)
	}
	v, err := parseVersion(string(out))
	return Installed{program, v}, err
}

// locate finds a program by PATH, or in one of the folders.
func locate(name string, folders ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, f := range folders {
		if path, err := exec.LookPath(filepath.Join(f, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no program %s: %w", name, exec.ErrNotFound)
}

var versionNumber = regexp.MustCompile(`^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?`)

// parseVersion reads "2.3.19.1 (9b53102964)", "2.4.1-4 (7d8c0e5759)".
func parseVersion(s string) (Version, error) {
	m := versionNumber.FindStringSubmatch(s)
	if m == nil {
		return Version{}, fmt.Errorf("%w: %.40q", ErrVersion, s)
	}
	var n [3]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // digits, or nothing, which is 0
	}
	return Version{n[0], n[1], n[2]}, nil
}

// owner is the user that the mailboxes belong to.
func owner() (*user.User, error) {
	if os.Geteuid() != 0 {
		return user.Current()
	}
	u, err := user.Lookup("mail")
	if err != nil {
		return nil, fmt.Errorf("no user to read mail as, since Dovecot refuses root: %w", err)
	}
	return u, nil
}
