// SPDX-License-Identifier: MIT

package dovecot

import (
	"bytes"
	"embed"
	"fmt"
	"os/user"
	"strings"
	"text/template"
)

//go:embed conf23.tmpl conf24.tmpl
var templates embed.FS

// place is what a template fills in beside the options.
type place struct {
	Options
	Owner   *user.User
	Group   string
	Root    bool   // whether it starts as root, and so drops to other users
	Base    string // base_dir: its sockets, gone after the run
	Version Version
}

// render makes the configuration for the version installed.
func render(p place) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	name := "conf24.tmpl"
	switch v := p.Version; {
	case v.Major == 2 && v.Minor == 3:
		name = "conf23.tmpl"
	case v.Major == 2 && v.Minor < 3 || v.Major < 2:
		return nil, fmt.Errorf("%w: %d.%d is older than 2.3", ErrVersion, v.Major, v.Minor)
	}
	t, err := template.ParseFS(templates, name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, p)
	return b.Bytes(), err
}

// check refuses values that the configuration's syntax cannot hold, or sockets whose path is too long.
func (p place) check() error {
	for _, s := range []string{p.Dir, p.MailRoot, p.PasswdFile, p.Certificate, p.Key, p.Hostname, p.LMTP, p.Address, p.Base} {
		if s == "" || strings.ContainsAny(s, " \t\r\n\"'#{}$%<") {
			return fmt.Errorf("a configuration of Dovecot cannot hold the path or name %q", s)
		}
	}
	if len(p.LMTP) > maxSocket {
		return fmt.Errorf("the path of the socket %s has %d bytes, and may have %d; take a folder with a shorter path", p.LMTP, len(p.LMTP), maxSocket)
	}
	return nil
}
