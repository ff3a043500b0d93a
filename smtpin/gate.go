// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"posthouse/config"
	"posthouse/dnsbl"
	"posthouse/mail"
	"posthouse/reply"
	"posthouse/table"
)

// GateConfig is the gate before the banner, the ideas of postscreen(8): most of what bots send ends here, before it costs more.
type GateConfig struct {
	DNSBLSites     []string        `yaml:"dnsbl_sites"`     // zone=filter*weight
	DNSBLThreshold int             `yaml:"dnsbl_threshold"` // the sum of weights from which on a client is listed
	GreetWait      config.Duration `yaml:"greet_wait"`      // how long the banner waits for those who cannot
	Allow          table.Ref       `yaml:"allow"`           // clients that pass: addresses and networks
	Action         string          `yaml:"action"`          // enforce, drop, ignore
}

// SetDefaults is a gate that asks nobody and waits for nothing.
func (c *GateConfig) SetDefaults() {
	c.DNSBLThreshold, c.Action = 1, "enforce"
}

// maxGreetWait is well below what clients wait for a banner, five minutes (RFC 5321 4.5.3.2.1).
const maxGreetWait = time.Minute

// Validate reads the zones.
func (c *GateConfig) Validate(at config.Section) {
	for i, text := range c.DNSBLSites {
		if _, err := dnsbl.ParseSite(text); err != nil {
			at.At(fmt.Sprintf("dnsbl_sites[%d]", i)).Errorf("%v", err)
		}
	}
	if c.DNSBLThreshold < 1 {
		at.At("dnsbl_threshold").Errorf("must be at least 1, not %d: everybody would be listed", c.DNSBLThreshold)
	}
	if most := c.weights(); len(c.DNSBLSites) > 0 && most < c.DNSBLThreshold && !at.At("dnsbl_sites").Spoiled() {
		at.At("dnsbl_threshold").Errorf("%d is more than all dnsbl_sites together weigh (%d): nobody could be listed", c.DNSBLThreshold, most)
	}
	if d := time.Duration(c.GreetWait); d < 0 || d > maxGreetWait {
		at.At("greet_wait").Errorf("must be from 0 to %s", maxGreetWait)
	}
	if (c.Action != "enforce" || c.DNSBLThreshold != 1) && len(c.DNSBLSites) == 0 && c.GreetWait == 0 && !at.At("dnsbl_sites").Spoiled() && !at.At("greet_wait").Spoiled() {
		at.Errorf("looks at nobody: give it dnsbl_sites, or a greet_wait")
	}
	switch c.Action {
	case "enforce", "drop", "ignore":
	default:
		at.At("action").Errorf("unknown action %q: use enforce (refuse each recipient), drop (refuse the connection) or ignore (log only)", c.Action)
	}
}

// weights is the most that a client can come to.
func (c *GateConfig) weights() (sum int) {
	for _, z := range c.zones() {
		sum += max(z.Weight, 0)
	}
	return sum
}

func (c *GateConfig) zones() []dnsbl.Zone {
	var out []dnsbl.Zone
	for _, text := range c.DNSBLSites {
		if z, err := dnsbl.ParseSite(text); err == nil {
			out = append(out, z)
		}
	}
	return out
}

// Gate looks at clients before the banner. A nil Gate lets everybody in.
type Gate struct {
	Sites     []dnsbl.Zone
	Threshold int
	Wait      time.Duration
	Patience  time.Duration // for the lists
	Action    string
	Allowed   func(netip.Addr) bool // nil: nobody is exempt
	Score     func(ctx context.Context, zones []dnsbl.Zone, addr netip.Addr) (score int, hits []string)
}

// NewGate makes the gate of a section; nil if it does nothing. The lists have to answer within patience. allowed may be nil.
func NewGate(c GateConfig, patience time.Duration, allowed func(netip.Addr) bool, lists *dnsbl.Lister) *Gate {
	if len(c.DNSBLSites) == 0 && c.GreetWait == 0 {
		return nil
	}
	return &Gate{
		Sites: c.zones(), Threshold: c.DNSBLThreshold, Wait: time.Duration(c.GreetWait), Action: c.Action,
		Allowed: allowed, Patience: patience, Score: lists.Score,
	}
}

// exempt reports a client that the gate has nothing to do with: one of ours, or one that is allowed.
func (s *Service) exempt(c *mail.Client) bool {
	addr := c.Addr.Addr()
	return !addr.IsValid() || s.Facts.Trusted(c) || s.Gate.Allowed != nil && s.Gate.Allowed(addr)
}

// Patience is how long the banner waits for a client that does not.
func (s *Service) Patience(c *mail.Client) time.Duration {
	if s.Gate == nil || s.Gate.Wait == 0 || s.exempt(c) {
		return 0
	}
	return s.Gate.Wait
}

// gateVerdict is what the gate has against a client. The zero one is nothing.
type gateVerdict struct {
	drop, refuse reply.Reply // in the banner's place, and at each recipient
	cause        error
}

func (v gateVerdict) String() string {
	if v.cause == nil {
		return "pass"
	}
	return v.cause.Error()
}

// gate judges a client before the banner. It returns what is said at RCPT, nil if nothing; an error closes the connection.
func (s *Service) gate(ctx context.Context, c *mail.Client) (atRcpt error, err error) {
	if s.Gate == nil || s.exempt(c) {
		return nil, nil
	}
	start := s.now()
	v := s.Gate.judge(ctx, c)
	s.explaining.Add(step("connect", "gate", "dnsbl_sites", v.String(), s.now().Sub(start)))
	if v.cause == nil {
		s.Metrics.gate("pass")
		return nil, nil
	}
	s.Metrics.gate(s.Gate.Action)
	switch s.Gate.Action {
	case "drop":
		return nil, v.drop.Because(v.cause)
	case "enforce":
		return v.refuse.Because(v.cause), nil
	}
	s.Log.Info("would be refused", "client", c.Addr.Addr().String(), "reply", v.refuse.String(), "rule", v.cause.Error())
	return nil, nil
}

func (g *Gate) judge(ctx context.Context, c *mail.Client) gateVerdict {
	if c.Early && g.Wait > 0 {
		return gateVerdict{reply.GateEarly, reply.EarlyClient, errors.New("gate: spoke before the banner")}
	}
	if len(g.Sites) == 0 {
		return gateVerdict{}
	}
	ctx, cancel := context.WithTimeout(ctx, g.Patience)
	defer cancel()
	score, hits := g.Score(ctx, g.Sites, c.Addr.Addr())
	if score < g.Threshold {
		return gateVerdict{}
	}
	cause := fmt.Errorf("gate: dnsbl_sites: %d of %d by %s", score, g.Threshold, strings.Join(hits, ", "))
	zone := g.heaviest(hits)
	return gateVerdict{reply.GateListed.With("Service unavailable; client [%s] blocked using %s", c.Addr.Addr(), zone),
		reply.ListedClient.With("Service unavailable; client [%s] blocked using %s", c.Addr.Addr(), zone), cause}
}

// heaviest is the list that the client is told of, as postscreen does: who is on it can ask there.
func (g *Gate) heaviest(hits []string) (domain string) {
	most := 0
	for _, z := range g.Sites {
		if z.Weight > most && slices.Contains(hits, z.String()) {
			most, domain = z.Weight, z.Domain
		}
	}
	return domain
}
