// SPDX-License-Identifier: MIT

package spf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/miekg/dns"

	"posthouse/resolver"
)

// scenario is one document of the suite: a zone, and what is asked of it.
type scenario struct {
	Description string               `yaml:"description"`
	Tests       map[string]suiteCase `yaml:"tests"`
	Zone        map[string][]any     `yaml:"zonedata"`
}

type suiteCase struct {
	HELO        string `yaml:"helo"`
	Host        string `yaml:"host"`
	MailFrom    string `yaml:"mailfrom"`
	Result      any    `yaml:"result"`
	Explanation string `yaml:"explanation"`
}

func (c suiteCase) results() []string {
	if one, ok := c.Result.(string); ok {
		return []string{one}
	}
	var all []string
	for _, r := range c.Result.([]any) {
		all = append(all, r.(string))
	}
	return all
}

func readSuite(t testing.TB) []scenario {
	t.Helper()
	raw, err := os.ReadFile("testdata/rfc7208-tests.yml")
	if err != nil {
		t.Fatal(err)
	}
	var all []scenario
	for _, doc := range bytes.Split(raw, []byte("\n---\n"))[1:] {
		var s scenario
		if err := yaml.Unmarshal(doc, &s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// TestSuite runs the test suite of RFC 7208, all of it.
func TestSuite(t *testing.T) {
	t.Parallel()
	scenarios, ran := readSuite(t), 0
	for _, s := range scenarios {
		zone := newSuiteZone(t, s.Zone)
		for name, c := range s.Tests {
			ran++
			t.Run(s.Description+"/"+name, func(t *testing.T) {
				t.Parallel()
				runCase(t, zone, c)
			})
		}
	}
	if len(scenarios) != 16 || ran != 203 {
		t.Errorf("%d scenarios with %d tests", len(scenarios), ran)
	}
}

func runCase(t *testing.T, zone suiteZone, c suiteCase) {
	identity, local, domain := MailFrom, "", ""
	if at := strings.LastIndexByte(c.MailFrom, '@'); at >= 0 {
		local, domain = c.MailFrom[:at], c.MailFrom[at+1:]
	} else {
		identity, domain = HELO, c.HELO
	}
	r := Options{Resolver: zone}.check(t.Context(), identity, netip.MustParseAddr(c.Host), c.HELO, local, domain)
	if !slices.Contains(c.results(), string(r.Status)) {
		t.Errorf("%s (%s: %v), want %v", r.Status, r.Mechanism, r.Err, c.results())
	}
	want := c.Explanation
	if want == "DEFAULT" {
		want = ""
	}
	if c.Explanation != "" && r.Explanation != want {
		t.Errorf("explanation %q, want %q", r.Explanation, want)
	}
	if (r.Err != nil) != (r.Status == TempError || r.Status == PermError) {
		t.Errorf("%s with error %v", r.Status, r.Err)
	}
}

// suiteZone answers from a scenario's records. Those of type SPF stand for TXT where a name has no TXT of its own (the rules are
// in the suite's head); a TIMEOUT is an answer that does not come, for the types that the name has no records of.
type suiteZone map[string]*suiteName

type suiteName struct {
	records map[string][]any
	timeout bool
}

func newSuiteZone(t *testing.T, data map[string][]any) suiteZone {
	t.Helper()
	z := suiteZone{}
	for name, records := range data {
		n := &suiteName{records: map[string][]any{}}
		z[strings.ToLower(name)] = n
		for _, r := range records {
			switch r := r.(type) {
			case string:
				n.timeout = r == "TIMEOUT"
			case map[string]any:
				for kind, value := range r {
					n.records[kind] = append(n.records[kind], value)
				}
			default:
				t.Fatalf("%s: %T", name, r)
			}
		}
		if _, own := n.records["TXT"]; !own {
			n.records["TXT"] = n.records["SPF"]
		}
		n.records["TXT"] = slices.DeleteFunc(n.records["TXT"], func(v any) bool { return v == "NONE" })
	}
	return z
}

var errTimeout = errors.New("time-out")

func (z suiteZone) find(name, kind string) ([]any, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for range 8 {
		n, ok := z[name]
		switch {
		case !ok:
			return nil, resolver.ErrNotFound
		case len(n.records[kind]) > 0:
			if n.records[kind][0] == "TIMEOUT" {
				return nil, errTimeout
			}
			return n.records[kind], nil
		case n.timeout:
			return nil, errTimeout
		case len(n.records["CNAME"]) == 0:
			return nil, resolver.ErrNoData
		}
		name = strings.ToLower(strings.TrimSuffix(n.records["CNAME"][0].(string), "."))
	}
	return nil, errors.New("CNAME loop")
}

func (z suiteZone) TXT(_ context.Context, name string) ([]string, error) {
	found, err := z.find(name, "TXT")
	var out []string
	for _, v := range found {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case []any:
			var b strings.Builder
			for _, part := range v {
				fmt.Fprint(&b, part)
			}
			out = append(out, b.String())
		}
	}
	return out, err
}

func (z suiteZone) MX(_ context.Context, name string) ([]resolver.MX, error) {
	found, err := z.find(name, "MX")
	var out []resolver.MX
	for _, v := range found {
		out = append(out, resolver.MX{Host: strings.ToLower(v.([]any)[1].(string))})
	}
	return out, err
}

func (z suiteZone) PTR(_ context.Context, addr netip.Addr) ([]string, error) {
	name, err := dns.ReverseAddr(addr.String())
	if err != nil {
		return nil, err
	}
	found, err := z.find(name, "PTR")
	var out []string
	for _, v := range found {
		out = append(out, strings.ToLower(v.(string)))
	}
	return out, err
}

func (z suiteZone) Ask(_ context.Context, name string, rrtype uint16) (resolver.Answer, error) {
	found, err := z.find(name, dns.TypeToString[rrtype])
	var out []dns.RR
	for _, v := range found {
		a := netip.MustParseAddr(v.(string)).AsSlice()
		if rrtype == dns.TypeA {
			out = append(out, &dns.A{A: a})
		} else {
			out = append(out, &dns.AAAA{AAAA: a})
		}
	}
	return resolver.Answer{Records: out}, err
}

func (z suiteZone) Addrs(context.Context, string) ([]netip.Addr, error) {
	return nil, errors.New("not asked for")
}
