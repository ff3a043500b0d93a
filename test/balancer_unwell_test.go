// SPDX-License-Identifier: MIT

package test

import (
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// TestUpgradeRemembersTheDead: a server that the health checks have found dead gets no client of the next process either, although that
// has not checked it yet.
func TestUpgradeRemembersTheDead(t *testing.T) {
	t.Parallel()
	a, b := maillab.NewBackend(t, "a", maillab.BackendOptions{}), maillab.NewBackend(t, "b", maillab.BackendOptions{})
	listen := door(t)
	r := startReplaced(t, service("s", listen, []string{at(a, ""), at(b, "backup")}, "connect_timeout: 20s", "health_check: {interval: 2s, timeout: 1s}"))
	a.Be(t, maillab.BlackHole)
	r.waitText(t, `"state":"unhealthy"`, 1)
	for range 2 {
		r.upgrade(t)
		for range 3 {
			if c := serves(t, listen, "", "b"); c.took > 5*time.Second {
				t.Errorf("after %v", c.took)
			}
		}
		if out := r.command(t, "balancer", "status").out; !strings.Contains(out, "unhealthy") {
			t.Errorf("status:\n%s", out)
		}
	}
	a.Be(t, maillab.Works)
	maillab.Wait(t, maillab.Patience, "the primary", func() bool { return names(t, listen, 1) == "a" })
}
