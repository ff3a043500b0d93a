// SPDX-License-Identifier: MIT

package balancer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"posthouse/balancer/health"
	"posthouse/config"
)

// Access is one entry of allow or deny: a network (192.0.2.0/24, an address), or a file that holds networks, one a line.
type Access struct {
	Network config.Network
	File    string // as written; relative to the cluster file
}

// UnmarshalText takes for a network what begins with an address, and all else for a file.
func (a *Access) UnmarshalText(text []byte) error {
	s := string(text)
	first, _, _ := strings.Cut(strings.NewReplacer("[", "", "]", "").Replace(s), "/")
	if _, err := netip.ParseAddr(first); err == nil {
		return a.Network.UnmarshalText(text)
	}
	if s == "all" {
		return errors.New(`all is 0.0.0.0/0 and ::/0 here; with an allow list, whoever is not in it may not connect anyway`)
	}
	var p config.Path
	if err := p.UnmarshalText(text); err != nil {
		return err
	}
	if strings.Trim(s, "0123456789./") == "" {
		return fmt.Errorf("%q is neither a network (192.0.2.0/24) nor the name of a file", s)
	}
	*a = Access{File: s}
	return nil
}

// String is the entry as written.
func (a Access) String() string {
	if a.File != "" {
		return a.File
	}
	return a.Network.String()
}

// MarshalText is String.
func (a Access) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Bounds of a file of networks.
const (
	maxAccessFile  = 16 << 20 // octets: about a million networks
	maxAccessLine  = 1024
	maxAccessFault = 10 // complaints of one file
)

// readNetworks reads a file of networks: one a line, with the rest of a line and # for comments. All its mistakes are
// named, and one is enough to refuse it: a list that lacks a line says something else.
func readNetworks(path string) ([]netip.Prefix, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxAccessFile {
		return nil, fmt.Errorf("%s has %d octets; a list of networks has at most %d", path, info.Size(), maxAccessFile)
	}
	return parseNetworks(path, io.LimitReader(f, maxAccessFile))
}

func parseNetworks(name string, r io.Reader) ([]netip.Prefix, error) {
	var out []netip.Prefix
	var wrong []error
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxAccessLine), maxAccessLine)
	for n := 1; lines.Scan() && len(wrong) < maxAccessFault; n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		var network config.Network
		if err := network.UnmarshalText([]byte(text)); err != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", name, n, err))
			continue
		}
		out = append(out, network.Prefix)
	}
	if err := lines.Err(); err != nil {
		wrong = append(wrong, fmt.Errorf("%s: %w", name, err))
	}
	return out, errors.Join(wrong...)
}

// networks is a set of networks. Asking costs one look for each length of prefix in it, however many there are.
type networks struct {
	known map[netip.Prefix]struct{}
	four  []int // lengths of the prefixes of each family
	six   []int
}

func newNetworks(prefixes []netip.Prefix) *networks {
	n := &networks{known: make(map[netip.Prefix]struct{}, len(prefixes))}
	for _, p := range prefixes {
		p = p.Masked()
		n.known[p] = struct{}{}
		lengths := &n.six
		if p.Addr().Is4() {
			lengths = &n.four
		}
		if !slices.Contains(*lengths, p.Bits()) {
			*lengths = append(*lengths, p.Bits())
		}
	}
	return n
}

// has reports an address in one of the networks. The zero address is in none.
func (n *networks) has(a netip.Addr) bool {
	a = a.WithZone("")
	lengths := n.six
	if a.Is4() {
		lengths = n.four
	}
	for _, bits := range lengths {
		p, err := a.Prefix(bits)
		if err != nil {
			return false
		}
		if _, ok := n.known[p]; ok {
			return true
		}
	}
	return false
}

// accessList is allow or deny: what the cluster file names, and what its files hold at this moment.
type accessList struct {
	fixed []netip.Prefix
	paths []string
	now   atomic.Pointer[networks]
}

// openAccess reads a list; nil if it is empty.
func openAccess(entries []Access, dir string) (*accessList, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	l := &accessList{}
	for _, e := range entries {
		if e.File == "" {
			l.fixed = append(l.fixed, e.Network.Prefix)
			continue
		}
		l.paths = append(l.paths, e.path(dir))
	}
	return l, l.reload()
}

func (a Access) path(dir string) string {
	if filepath.IsAbs(a.File) {
		return filepath.Clean(a.File)
	}
	return filepath.Join(dir, a.File)
}

// reload reads the files anew. On an error the list stays as it was.
func (l *accessList) reload() error {
	all := slices.Clone(l.fixed)
	for _, path := range l.paths {
		some, err := readNetworks(path)
		if err != nil {
			return err
		}
		all = append(all, some...)
	}
	l.now.Store(newNetworks(all))
	return nil
}

// has is false for a nil list.
func (l *accessList) has(a netip.Addr) bool { return l != nil && l.now.Load().has(a) }

// Check opens the files that the section names, and complains where they stand.
func (c Config) Check(at config.Section, dir string) {
	if len(c) == 0 {
		at.Warnf("has no services: nothing is balanced")
	}
	for name, s := range c {
		if s == nil {
			continue
		}
		s.checkFiles(at.At(name), dir)
	}
}

func (s *Service) checkFiles(at config.Section, dir string) {
	if here := at.At("health_check.tls_ca_file"); s.HealthCheck != nil && !here.Spoiled() {
		if _, err := health.New(*s.HealthCheck, health.Options{}); err != nil {
			here.Errorf("%v", err)
		}
	}
	for key, list := range map[string][]Access{"allow": s.Allow, "deny": s.Deny} {
		for i, e := range list {
			here := at.At(fmt.Sprintf("%s[%d]", key, i))
			if e.File == "" || here.Spoiled() {
				continue
			}
			if _, err := readNetworks(e.path(dir)); err != nil {
				here.Errorf("%v", err)
			}
		}
	}
}
