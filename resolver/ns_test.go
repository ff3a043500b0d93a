// SPDX-License-Identifier: MIT

package resolver

import (
	"slices"
	"testing"
)

func TestNS(t *testing.T) {
	t.Parallel()
	z := mustParse(t, "a.test. NS NS1.b.test.\na.test. NS ns2.b.test.\nc.test. A 192.0.2.1\n")
	hosts, err := NS(t.Context(), z, "A.test")
	slices.Sort(hosts)
	if err != nil || !slices.Equal(hosts, []string{"ns1.b.test", "ns2.b.test"}) {
		t.Errorf("%q, %v", hosts, err)
	}
	if _, err := NS(t.Context(), z, "c.test"); !NoData(err) {
		t.Errorf("no name servers: %v", err)
	}
	if _, err := NS(t.Context(), z, "d.test"); !NotFound(err) {
		t.Errorf("no such name: %v", err)
	}
}
