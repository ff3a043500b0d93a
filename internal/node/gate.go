// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"strings"

	"posthouse/config"
	"posthouse/table"
)

// allowed asks a table of addresses and networks; nil if there is none.
func (n *snapshot) allowed(ref table.Ref) (func(netip.Addr) bool, error) {
	t, err := n.openTable(ref)
	if err != nil || t == nil {
		return nil, err
	}
	return func(a netip.Addr) bool { return listsAddress(t.View(), a) }, nil
}

// listsAddress finds an address, or a network around it, in a table of any kind. As in postscreen_access_list, reject and dunno
// on the right do not let it pass.
func listsAddress(v table.View, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if value, _, ok := v.Lookup(a.String()); ok {
		return lets(value)
	}
	fixed := table.Fixed(v)
	for bits := a.BitLen(); bits >= 0; bits-- {
		network, err := a.Prefix(bits)
		if err != nil {
			return false
		}
		if value, _, ok := fixed.Lookup(network.String()); ok {
			return lets(value)
		}
	}
	return false
}

func lets(value string) bool {
	return !strings.EqualFold(value, "reject") && !strings.EqualFold(value, "dunno")
}

// checkAllowed complains of words that are neither an address nor a network, and so would never match.
func (c *Cluster) checkAllowed(at config.Section, ref table.Ref) {
	if !c.checkTable(at, ref) {
		return
	}
	t, err := c.readTable(ref)
	if t == nil || err != nil {
		return
	}
	for key, e := range table.Fixed(t.View()).All() {
		network, err := netip.ParsePrefix(key)
		if _, other := netip.ParseAddr(key); err != nil && other != nil {
			at.Errorf("%s: %q is neither an address nor a network", e.Where, key)
		} else if err == nil && network != network.Masked() {
			at.Errorf("%s: %s has bits behind its prefix: write %s", e.Where, key, network.Masked())
		}
	}
}
