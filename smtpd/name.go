// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

const (
	nameTimeout = 5 * time.Second
	maxNames    = 5 // PTR records that are tried
)

// lookUp starts to find the client's name while banner and EHLO pass. A name counts if it leads back to the address
// (RFC 8601 2.7.3 iprev). With too many look-ups under way, or no address, there is none.
func (c *conn) lookUp() {
	addr := c.client.Addr.Addr()
	if c.o.Resolver == nil || !addr.IsValid() {
		return
	}
	select {
	case c.server.lookups <- struct{}{}:
	default:
		return
	}
	c.name = make(chan string, 1)
	go c.findName(addr, c.name)
}

// findName sends one name, "" for none, whatever happens.
func (c *conn) findName(addr netip.Addr, found chan<- string) {
	name := ""
	defer func() {
		if p := recover(); p != nil {
			c.o.Log.Error("panic", "in", "resolver", "client", addr.String(), "cause", fmt.Sprint(p))
		}
		<-c.server.lookups
		found <- name
	}()
	ctx, cancel := context.WithTimeout(c.ctx, nameTimeout)
	defer cancel()
	name = VerifiedName(ctx, c.o.Resolver, addr)
}

// awaitName takes the name in, before the first MAIL is judged.
func (c *conn) awaitName() {
	if c.name != nil {
		c.client.Name = <-c.name
		c.name = nil
	}
}

// VerifiedName is the first name of an address that leads back to it, "" if there is none or no answer.
func VerifiedName(ctx context.Context, r Resolver, addr netip.Addr) string {
	names, err := r.PTR(ctx, addr)
	if err != nil {
		return ""
	}
	for _, name := range names[:min(len(names), maxNames)] {
		addrs, err := r.Addrs(ctx, name)
		if err == nil && slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap() == addr }) {
			return strings.ToLower(strings.TrimSuffix(name, "."))
		}
	}
	return ""
}
