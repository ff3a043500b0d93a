// SPDX-License-Identifier: MIT

package dkim

import (
	"crypto"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"posthouse/mail"
	"posthouse/table"
)

// keyLine is one line of a KeyTable, taken apart.
type keyLine struct {
	domain, selector string // "%": the sender's domain
	source           string // a file or the key itself; "%" in it is the sender's domain
	where            string
	key              crypto.Signer // read already, unless the source has a "%"
}

// keyTable maps names to keys.
type keyTable struct {
	lines    map[string]keyLine
	dir      string // for relative files
	warnings []string
}

// readKeyTable reads every key that does not depend on the sender, so that a bad one is seen before the first message.
func readKeyTable(view table.View, dir string) (*keyTable, error) {
	t := &keyTable{lines: make(map[string]keyLine), dir: dir}
	var errs []error
	for name, e := range view.All() {
		line, err := t.line(e)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: key %q: %w", e.Where, name, err))
			continue
		}
		t.lines[strings.ToLower(name)] = line
	}
	return t, errors.Join(errs...)
}

// line reads `domain:selector:key`.
func (t *keyTable) line(e table.Entry) (keyLine, error) {
	domain, rest, _ := strings.Cut(e.Value, ":")
	selector, source, found := strings.Cut(rest, ":")
	if !found || domain == "" || selector == "" || source == "" {
		return keyLine{}, errors.New("the format is `name domain:selector:key`")
	}
	line := keyLine{selector: selector, source: source, where: e.Where}
	var err error
	if line.domain, err = dnsName(domain); err != nil {
		return keyLine{}, err
	}
	// A selector may well be a number, such as 2026, with which no domain ends.
	if _, err = dnsName(strings.ReplaceAll(selector, "%", "x") + ".x"); err != nil {
		return keyLine{}, err
	}
	if !strings.Contains(source, "%") {
		line.key, err = t.load(source)
	}
	return line, err
}

// dnsName is a name in lower case, or the "%" that stands for the sender's.
func dnsName(name string) (string, error) {
	if name == "%" {
		return name, nil
	}
	parsed, err := mail.ParseDomain(name)
	if err != nil {
		return "", fmt.Errorf("%q is no name for the DNS: %w", strings.TrimSuffix(name, ".x"), err)
	}
	return parsed, nil
}

// load reads a key from where the third value says: text that is a key, or else a file.
func (t *keyTable) load(source string) (crypto.Signer, error) {
	if isKeyText(source) {
		return ParseKey([]byte(source))
	}
	key, warning, err := readKey(t.path(source))
	if warning != "" {
		t.warnings = append(t.warnings, warning)
	}
	return key, err
}

func (t *keyTable) path(source string) string {
	if filepath.IsAbs(source) {
		return source
	}
	return filepath.Join(t.dir, source)
}

// files are the key files that do not depend on the sender.
func (t *keyTable) files() []string {
	var out []string
	for _, line := range t.lines {
		if line.key != nil && !isKeyText(line.source) {
			out = append(out, t.path(line.source))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sameKeys reports that the same names have the same keys.
func (t *keyTable) sameKeys(other *keyTable) bool {
	return maps.EqualFunc(t.lines, other.lines, func(a, b keyLine) bool {
		if a.key == nil || b.key == nil {
			return a.key == b.key
		}
		public, ok := a.key.Public().(interface{ Equal(crypto.PublicKey) bool })
		return ok && public.Equal(b.key.Public())
	})
}

// signature is what one signature is made with.
type signature struct {
	domain, selector, identity string
	key                        crypto.Signer
}

// find makes ready what a line of the SigningTable asks for.
func (t *keyTable) find(u use, sender string) (signature, error) {
	line, found := t.lines[strings.ToLower(u.name)]
	if !found {
		return signature{}, fmt.Errorf("%s: no key %q in the key table", u.where, u.name)
	}
	s := signature{domain: line.domain, selector: line.selector, identity: u.identity, key: line.key}
	if s.domain == "%" {
		s.domain = sender
	}
	if s.selector == "%" {
		s.selector = sender
	}
	if !covers(s.domain, s.identity) { // OpenDKIM leaves out an i= that conflicts with d=
		s.identity = ""
	}
	if s.key != nil {
		return s, nil
	}
	// The sender's domain is made of letters, digits, hyphens and dots: it cannot leave the folder.
	fresh := keyTable{dir: t.dir}
	key, err := fresh.load(strings.ReplaceAll(line.source, "%", sender))
	if err != nil {
		return signature{}, fmt.Errorf("%s: key %q: %w", line.where, u.name, err)
	}
	s.key = key
	return s, nil
}

// covers reports whether an identity is in the signing domain or below it (RFC 6376 3.5, i=).
func covers(domain, identity string) bool {
	_, host, found := strings.Cut(identity, "@")
	host = strings.ToLower(host)
	return found && (host == domain || strings.HasSuffix(host, "."+domain))
}
