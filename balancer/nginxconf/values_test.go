// SPDX-License-Identifier: MIT

package nginxconf

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// NGINX's times: the units in their order, each once, a number alone in seconds; "-" is none.
func TestTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{ // in seconds' precision, in milliseconds'
		"10": {"10s", "10s"}, "10s": {"10s", "10s"}, "0": {"0s", "0s"}, "1m": {"1m0s", "1m0s"}, "1h30m": {"1h30m0s", "1h30m0s"}, "1h 30m": {"1h30m0s", "1h30m0s"},
		"500ms": {"-", "500ms"}, "1s500ms": {"-", "1.5s"}, "1w": {"168h0m0s", "168h0m0s"}, "2d": {"48h0m0s", "48h0m0s"}, "1y": {"8760h0m0s", "-"},
		"1M": {"720h0m0s", "-"}, "1y1M": {"9480h0m0s", "-"}, "1m1h": {"-", "-"}, "1s1s": {"-", "-"}, "": {"-", "-"}, "s": {"-", "-"}, "-1": {"-", "-"},
		"1x": {"-", "-"}, "1.5s": {"-", "-"}, "10 ": {"10s", "10s"}, "10 20": {"30s", "30s"}, "10 20s": {"-", "-"}, "1h30": {"1h0m30s", "1h0m30s"},
		"99999999999999999999": {"-", "-"}, "999999y": {"876000h0m0s", "-"}, "1ms1s": {"-", "-"},
	} {
		for i, fine := range []bool{seconds, milliseconds} {
			got := "-"
			if d, ok := span(text, fine); ok {
				got = d.String()
			}
			if got != want[i] {
				t.Errorf("%q, milliseconds %v: got %s, want %s", text, fine, got, want[i])
			}
		}
	}
	if d, ok := span("99999999999d", seconds); !ok || d != longestTime || d < 0 {
		t.Error(d, ok)
	}
}

// Whatever the order of allow and deny, our two lists let in the same clients as the first rule that fits.
func TestListsSayTheSame(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 2))
	rewritten := 0
	for range 5000 {
		rules := randomRules(r)
		x, computed, ok := lists(rules)
		if !ok {
			t.Fatalf("%v: too many networks", rules)
		}
		if computed {
			rewritten++
		}
		for range 60 {
			a := randomAddress(r)
			if x.admits(a) != admitted(rules, a) {
				t.Fatalf("%v: %v is let in: %v, by the rules: %v\n%+v", rules, a, x.admits(a), admitted(rules, a), x)
			}
		}
	}
	if rewritten == 0 {
		t.Error("no list had to be computed")
	}
}

func randomAddress(r *rand.Rand) netip.Addr {
	if r.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(3)), byte(r.IntN(256))})
	}
	a := netip.MustParseAddr("2001:db8::").As16()
	a[7], a[15] = byte(r.IntN(3)), byte(r.IntN(256))
	return netip.AddrFrom16(a)
}

func randomRules(r *rand.Rand) (out []rule) {
	for range r.IntN(6) {
		n := rule{deny: r.IntN(2) == 0}
		if r.IntN(5) > 0 {
			a := randomAddress(r)
			n.network = netip.PrefixFrom(a, a.BitLen()-r.IntN(14)).Masked()
		}
		out = append(out, n)
	}
	return out
}

// A long list of who is refused, and one of who is let in, are taken as they are, and at once; mixed ones have an end.
func TestLongLists(t *testing.T) {
	t.Parallel()
	var refused, let []rule
	for i := range 30_000 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		refused, let = append(refused, rule{p, true}), append(let, rule{p, false})
	}
	if x, rewritten, ok := lists(refused); len(x.deny) != 30_000 || len(x.allow) > 0 || rewritten || !ok {
		t.Error(len(x.deny), len(x.allow), rewritten, ok)
	}
	if x, rewritten, ok := lists(append(let, rule{deny: true})); len(x.allow) != 30_000 || len(x.deny) > 0 || rewritten || !ok {
		t.Error(len(x.deny), len(x.allow), rewritten, ok)
	}
	if _, _, ok := lists(append(let, refused...)); ok {
		t.Error("60,000 rules were compared")
	}
}

// The lists as an operator would write them, where that is possible.
func TestLists(t *testing.T) {
	t.Parallel()
	all := rule{}
	nobody := rule{deny: true}
	allow := func(s string) rule { return rule{network: netip.MustParsePrefix(s)} }
	deny := func(s string) rule { return rule{network: netip.MustParsePrefix(s), deny: true} }
	for _, test := range []struct {
		rules []rule
		want  string
	}{
		{nil, "[] [] false"},
		{[]rule{all}, "[] [] false"},
		{[]rule{nobody}, "[] [0.0.0.0/0 ::/0] false"},
		{[]rule{allow("10.0.0.0/8"), nobody}, "[10.0.0.0/8] [] false"},
		{[]rule{deny("10.0.0.1/32"), allow("10.0.0.0/8"), nobody}, "[10.0.0.0/8] [10.0.0.1/32] false"},
		{[]rule{deny("10.0.0.1/32"), all, nobody}, "[] [10.0.0.1/32] false"},
		{[]rule{allow("10.0.0.1/32"), deny("10.0.0.0/8"), allow("10.0.0.0/8"), nobody}, "[10.0.0.1/32] [] true"},
		{[]rule{allow("10.0.0.1/32"), deny("10.0.0.0/30"), all}, "[] [10.0.0.0/32 10.0.0.2/31] true"},
		{[]rule{allow("10.0.0.0/24"), deny("192.0.2.0/24")}, "[] [192.0.2.0/24] false"},
		{[]rule{allow("0.0.0.0/0"), deny("::/0")}, "[] [::/0] false"},
	} {
		x, rewritten, ok := lists(test.rules)
		if got := fmt.Sprint(x.allow, " ", x.deny, " ", rewritten); got != test.want || !ok {
			t.Errorf("%v: got %s, want %s", test.rules, got, test.want)
		}
	}
}
