// SPDX-License-Identifier: MIT

package smtpd

import (
	"strings"
	"testing"

	"posthouse/internal/listen"
)

// A connection keeps the options it began with; the next one has the new ones, on the same listener.
func TestReload(t *testing.T) {
	t.Parallel()
	before, after := &recorder{}, &recorder{}
	w := start(t, before, nil)
	old := w.hello()
	o := *w.server.options.Load()
	o.Service, o.Config.Hostname, o.Config.MessageSizeLimit = after, "new.test", 1234
	if err := w.server.Reload(o); err != nil {
		t.Fatal(err)
	}
	if banner := w.silent().reply(); !strings.HasPrefix(banner, "220 new.test") {
		t.Errorf("banner %q", banner)
	}
	if keywords := w.dial().do("EHLO client.test\r\n", "250"); !strings.Contains(keywords, "SIZE 1234\r\n") {
		t.Errorf("EHLO: %q", keywords)
	}
	if keywords := old.do("EHLO client.test\r\n", "250"); strings.Contains(keywords, "SIZE 1234\r\n") || strings.Contains(keywords, "new.test") {
		t.Errorf("EHLO in the old connection: %q", keywords)
	}
}

// Options that a listener cannot work with change nothing.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	w := start(t, &recorder{}, func(_ *Options, l *listen.Config) {
		l.TLS = "required"
	})
	w.dial()
	for name, change := range map[string]func(*Options){
		"no certificate": func(o *Options) { o.TLS = nil },
		"no service":     func(o *Options) { o.Service = nil },
		"no hostname":    func(o *Options) { o.Config.Hostname = "" },
	} {
		o := *w.server.options.Load()
		change(&o)
		if err := w.server.Reload(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if keywords := w.dial().do("EHLO client.test\r\n", "250"); !strings.Contains(keywords, "STARTTLS") {
		t.Errorf("EHLO: %q", keywords)
	}
}
