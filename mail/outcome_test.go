// SPDX-License-Identifier: MIT

package mail

import "testing"

// TestOutcomeOf: an outcome that is too short is no success, and one that is too long is cut.
func TestOutcomeOf(t *testing.T) {
	t.Parallel()
	sent := Result{Status: Relayed}
	for _, c := range []struct {
		has, n int
		ok     bool
	}{{2, 2, true}, {3, 2, true}, {1, 2, false}, {0, 2, false}, {0, 0, false}} {
		out := All(c.has, sent).Of(c.n)
		if len(out) != c.n || (out.Err() == nil) != c.ok {
			t.Errorf("%d of %d: %v, %v", c.has, c.n, out, out.Err())
		}
	}
}
