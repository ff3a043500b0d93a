// SPDX-License-Identifier: MIT

package nginxconf

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"posthouse/config"
)

// Bounds of a section: what a cluster file may have, and room for the rest of it.
const (
	maxSection = 768 << 10
	maxKeys    = 15_000
)

// yaml writes the balancer section.
func (im *importer) yaml(file string) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Made by posthouse import nginx from %s.\n", printable(filepath.Base(file)))
	b.WriteString("# What that file does not say has posthouse's default: connect_timeout 5s (NGINX: 60s), timeout 35m (NGINX: 10m; IMAP's IDLE\n")
	b.WriteString("# needs more than 29m), one line a session in the log (NGINX: none).\n")
	b.WriteString("balancer:\n")
	keys := 0
	for _, s := range im.services {
		before := b.Len()
		places := make([]string, 0, len(s.at))
		for _, d := range s.at[:min(len(s.at), 5)] {
			places = append(places, fmt.Sprintf("%s:%d", printable(filepath.Base(d.File)), d.Line))
		}
		if len(s.at) > len(places) {
			places = append(places, "...")
		}
		fmt.Fprintf(&b, "  %s: # %s\n", key(s.name), strings.Join(places, ", "))
		s.listeners(&b)
		s.group.yaml(&b)
		b.WriteString(s.settings)
		if b.Len() > maxSection || bytes.Count(b.Bytes()[before:], []byte(": ")) > maxKeys-keys {
			return nil, &Error{File: file, Text: "the balancer section would be larger than a cluster file may be: import it in parts"}
		}
		keys += bytes.Count(b.Bytes()[before:], []byte(": "))
	}
	return b.Bytes(), nil
}

// key is a name as a key: quoted where YAML would see something else in it.
func key(name string) string {
	switch strings.ToLower(name) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf":
		return quote(name)
	}
	return name
}

// quote is for what has neither control characters nor bytes that are no text.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// inLine is how many items a list in one line has.
const inLine = 8

// prefixes are networks as a list in one line; a network of one address is written as the address.
func prefixes(list []netip.Prefix) string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = p.String()
		if p.IsSingleIP() {
			out[i] = p.Addr().String()
		}
	}
	return quoteAll(out)
}

// networks writes a list, if it has anything, up to the bound of a section.
func networks(b *bytes.Buffer, key string, list []netip.Prefix) {
	switch {
	case len(list) == 0:
	case len(list) <= inLine:
		fmt.Fprintf(b, "    %s: %s\n", key, prefixes(list))
	default:
		fmt.Fprintf(b, "    %s:\n", key)
		for i := 0; i < len(list) && b.Len() <= maxSection; i++ {
			fmt.Fprintf(b, "      - %s\n", strings.Trim(prefixes(list[i:i+1]), "[]"))
		}
	}
}

// listeners writes listen: in one line where they are addresses alone.
func (s *service) listeners(b *bytes.Buffer) {
	if !slices.ContainsFunc(s.doors, func(d door) bool { return d.proxied }) && len(s.doors) <= inLine {
		var addresses []string
		for _, d := range s.doors {
			addresses = append(addresses, d.address)
		}
		fmt.Fprintf(b, "    listen: %s\n", quoteAll(addresses))
		return
	}
	b.WriteString("    listen:\n")
	for _, d := range s.doors {
		if d.proxied {
			fmt.Fprintf(b, "      - {address: %s, proxy_protocol: required, proxy_networks: %s}\n", quote(d.address), prefixes(d.trusted))
		} else {
			fmt.Fprintf(b, "      - %s\n", quote(d.address))
		}
	}
}

// yaml writes upstream, up to the bound of a section.
func (g *group) yaml(b *bytes.Buffer) {
	b.WriteString("    upstream:\n")
	for _, server := range g.servers {
		if b.Len() > maxSection {
			return
		}
		fmt.Fprintf(b, "      - %s\n", server.yaml())
	}
}

// yaml is all keys but listen and upstream. Two services that share them and a group are one.
func (s *service) yaml() string {
	b := new(bytes.Buffer)
	set := func(key, value string, written bool) {
		if written {
			fmt.Fprintf(b, "    %s: %s\n", key, value)
		}
	}
	during := func(key string, t time.Duration) { set(key, duration(t), t > 0) }
	set("method", s.group.method, s.group.method != "")
	set("proxy_protocol", s.proxyProtocol, s.proxyProtocol != "")
	during("connect_timeout", s.connectTimeout)
	during("timeout", s.timeout)
	during("proxy_protocol_timeout", s.headerTimeout)
	during("keepalive", s.keepalive)
	set("next_upstream", "false", s.stay)
	set("next_upstream_tries", strconv.Itoa(s.tries), s.tries > 0)
	during("next_upstream_timeout", s.triesTimeout)
	during("slow_start", s.group.slowStart)
	if h := s.health; h != nil {
		fmt.Fprintf(b, "    health_check: {interval: %s, rise: %d, fall: %d}\n", duration(h.interval), h.rise, h.fall)
	}
	networks(b, "deny", s.access.deny)
	networks(b, "allow", s.access.allow)
	set("client_connection_count_limit", strconv.Itoa(s.countLimit), s.countLimit > 0)
	set("session_log", "false", s.quiet)
	return b.String()
}

func duration(t time.Duration) string { return config.Duration(t).String() }

// yaml is a server in one line, without what is the default.
func (s *server) yaml() string {
	parts := []string{"address: " + quote(s.address)}
	add := func(written bool, key string, value any) {
		if written {
			parts = append(parts, fmt.Sprintf("%s: %v", key, value))
		}
	}
	add(s.weight != 1, "weight", s.weight)
	add(s.maxConns != 0, "max_conns", s.maxConns)
	add(s.maxFails != 1, "max_fails", s.maxFails)
	add(s.failTimeout != 10*time.Second, "fail_timeout", duration(s.failTimeout))
	add(s.backup, "backup", true)
	add(s.down, "down", true)
	if len(parts) == 1 {
		return quote(s.address)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
