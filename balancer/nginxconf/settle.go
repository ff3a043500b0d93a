// SPDX-License-Identifier: MIT

package nginxconf

import (
	"fmt"
	"path/filepath"
	"strings"
)

// settle gives a service its place: its doors must be free, and with a service that has the same group and settings it
// becomes one, so that the group's connections and failures are counted together as NGINX does.
func (im *importer) settle(s *service) {
	im.openDoors(s)
	if len(s.doors) == 0 {
		im.note(s.at[0], "the server is not carried over: none of its listen addresses is left")
		return
	}
	s.settings = s.yaml()
	if first := s.group.used; first != nil {
		if first.settings == s.settings && len(first.doors)+len(s.doors) <= mostDoors {
			first.doors, first.at = append(first.doors, s.doors...), append(first.at, s.at...)
			return
		}
		im.note(s.at[0], "the server in %s has the same group with other settings: connections and failures are counted apart", first.at[0].Place())
	} else {
		s.group.used = s
	}
	s.name = im.name(s)
	im.services = append(im.services, s)
}

// openDoors leaves out those that cannot be opened.
func (im *importer) openDoors(s *service) {
	wanted := s.doors
	s.doors = nil
	for _, d := range wanted {
		if im.free(s.group, d) {
			im.doors[d.port] = append(im.doors[d.port], d)
			s.doors = append(s.doors, d)
		}
	}
}

// free reports a door that can be opened, or says why it cannot.
func (im *importer) free(g *group, d door) bool {
	for _, server := range g.servers {
		if server.address == d.address {
			im.note(d.at, "%s is also a server of the group: it would connect to itself. Not carried over", d.address)
			return false
		}
	}
	for _, o := range im.doors[d.port] {
		switch {
		case o.address == d.address:
			im.note(d.at, "%s is taken in %s: a service is known by where it listens, not by server_name", d.address, o.at.Place())
			return false
		case o.covers(d) || d.covers(o):
			im.note(d.at, "%s is not carried over: it and %s in %s cannot both be opened, one is part of the other. Name the single addresses",
				d.address, o.address, o.at.Place())
			return false
		}
	}
	return true
}

// covers reports that what connects to another door might as well have connected to this one.
func (d door) covers(o door) bool {
	if d.port == 0 || d.port != o.port {
		return false
	}
	six := strings.HasPrefix(o.address, "[")
	return d.any || d.host == "0.0.0.0" && !six || d.host == "::" && six
}

// usual are services by their ports (IANA).
var usual = map[int]string{
	24: "lmtp", 25: "smtp", 110: "pop3", 143: "imap", 465: "submissions", 587: "submission", 993: "imaps", 995: "pop3s", 4190: "sieve",
}

// name is the upstream's, the server_name, or what the first port is for; made of letters, digits, "-" and "_", and no other
// service's.
func (im *importer) name(s *service) string {
	name := s.group.name
	if names := collect(s.at[0].Block)["server_name"]; name == "" && len(names) > 0 && len(names[0].Args) > 0 {
		if name = strings.Trim(names[0].Args[0], "*.~_"); strings.HasPrefix(names[0].Args[0], "~") {
			name = ""
		}
	}
	if name = plainName(name); name == "" {
		name = s.doors[0].purpose()
	}
	base := name
	for im.names[name] > 0 {
		im.names[base]++
		name = fmt.Sprintf("%s_%d", base, im.names[base])
	}
	im.names[name]++
	return name
}

// purpose is a name for what listens at a door.
func (d door) purpose() string {
	if path, ok := strings.CutPrefix(d.address, "unix:"); ok {
		if name := plainName(filepath.Base(path)); name != "" {
			return name
		}
		return "socket"
	}
	if name := usual[d.port]; name != "" {
		return name
	}
	return fmt.Sprintf("tcp_%d", d.port)
}

// longestName keeps names readable.
const longestName = 100

// plainName replaces what a name should not have. It begins with a letter; "" if nothing is left.
func plainName(s string) string {
	s = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '_'
	}, s), "_-")
	s = s[:min(len(s), longestName)]
	if s != "" && s[0] >= '0' && s[0] <= '9' {
		return "service_" + s
	}
	return s
}
