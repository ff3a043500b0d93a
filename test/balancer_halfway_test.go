// SPDX-License-Identifier: MIT

package test

import (
	"strings"
	"syscall"
	"testing"

	"posthouse/internal/maillab"
)

// A new process that fails with the old one's listeners already in its hands has not accepted anybody by then: whom it accepted
// would be cut when it ends.
func TestUpgradeThatFailsHalfway(t *testing.T) {
	t.Parallel()
	backend := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	l := &upgraded{listen: door(t), stop: make(chan struct{})}
	good := service("s", l.listen, []string{at(backend, "")}, "session_log: false")
	r := startReplaced(t, good)
	for range 12 {
		l.workers.Go(l.short)
	}
	t.Cleanup(l.end)
	r.write(t, "", good+service("t", tcpAt(t), []string{at(backend, "")}))
	for i := range 6 {
		r.signal(t, syscall.SIGUSR2)
		r.waitText(t, "upgrade failed, this process goes on", i+1)
	}
	l.end()
	for _, fault := range l.faults[:min(10, len(l.faults))] {
		t.Error(fault)
	}
	if n := strings.Count(r.text(t), `"took over"`); n != 0 || l.served.Load() == 0 {
		t.Errorf("%d upgrades, %d connections", n, l.served.Load())
	}
}
