// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"fmt"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/upstream"
)

// TestUnwell: what one process has found out another believes, until its own checks say something else; without checks it would
// believe it for good, and does not.
func TestUnwell(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	servers := fmt.Sprintf(`upstream: [%q, {address: %q, backup: true}]`, x.Addr(), y.Addr())
	checked := `health_check: {interval: 100ms}, ` + servers
	old := run(t, checked)
	if got := old.Unwell(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	x.Kill(t)
	maillab.Wait(t, patience, "the check", func() bool { return old.server(x.Addr()).State == "unhealthy" })
	found := old.Unwell()
	if len(found) != 1 || found[0].Server != x.Addr() || found[0].Service != "s" || found[0].Why == "" {
		t.Fatalf("%+v", found)
	}
	x.Be(t, maillab.Works)
	for keys, want := range map[string]upstream.State{servers: upstream.Up, checked: upstream.Unhealthy} {
		next, err := New(Options{Config: service1(t, keys), Resolver: &dns{}, Log: (&logged{}).logger()})
		if err != nil {
			t.Fatal(err)
		}
		next.SetUnwell(append(found, Unwell{Service: "gone", Server: x.Addr()}, Unwell{Service: "s", Server: "gone.test:1"}))
		m := next.ways()[0].group.Members()[0]
		if got := m.Status().State; got != want {
			t.Errorf("%s: %s, want %s", keys, got, want)
		}
		stop, end := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- next.Run(stop, stop) }()
		maillab.Wait(t, patience, "its own check", func() bool { return m.Status().State == upstream.Up })
		end()
		<-ended
	}
}
