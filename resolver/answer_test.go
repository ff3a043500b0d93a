// SPDX-License-Identifier: MIT

package resolver

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

func TestKnown(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	c := client(t, Options{}, serve(t, counted(&asked, func(w dns.ResponseWriter, m *dns.Msg) {
		if m.Question[0].Name == "gone.test." {
			zoneAnswer(dns.RcodeNameError, "test. 900 IN SOA ns.test. x.test. 1 2 3 4 30")(w, m)
			return
		}
		zoneAnswer(dns.RcodeSuccess, "a.test. 60 IN A 127.0.0.2", "a.test. 60 IN A 127.0.0.4", `a.test. 60 IN TXT "see " "\"here\""`)(w, m)
	})))
	if _, _, ok := c.Known("a.test", TypeA); ok || asked.Load() > 0 {
		t.Fatal("known before it was asked")
	}
	for _, q := range []struct {
		name   string
		rrtype uint16
	}{{"a.test", TypeA}, {"a.test", TypeTXT}, {"gone.test", TypeA}} {
		c.Ask(t.Context(), q.name, q.rrtype)
	}
	before := asked.Load()
	a, err, ok := c.Known("A.test.", TypeA)
	if got := fmt.Sprint(a.IPv4(), err, ok); got != "[127.0.0.2 127.0.0.4] <nil> true" {
		t.Error(got)
	}
	a, err, ok = c.Known("a.test.", TypeTXT)
	if got := fmt.Sprint(a.Texts(), err, ok); got != `[see "here"] <nil> true` {
		t.Error(got)
	}
	if _, err, ok := c.Known("gone.test", TypeA); !ok || !NotFound(err) {
		t.Errorf("%v, %v: what is known not to be there is known", err, ok)
	}
	if _, err, ok := c.Known("a b", TypeA); !ok || !NotFound(err) {
		t.Errorf("%v, %v: nobody has to be asked about what is no name", err, ok)
	}
	if asked.Load() != before {
		t.Error("a server was asked")
	}
}
