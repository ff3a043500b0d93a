// SPDX-License-Identifier: MIT

package smtpd

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/config"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	cases := map[string]string{ // changed lines, complaint
		"":                                  "",
		"hostname: mx.ours.test":            "",
		"hostname: \"\"":                    "needs a hostname",
		"hostname: \"a b\"":                 "is not a domain name",
		"listen: []":                        "needs listen",
		"listen: [{address: nowhere}]":      "nowhere",
		"message_size_limit: 0":             "must be more than 0",
		"recipient_limit: 50":               "must be at least 100",
		"forbid_bare_newline: sometimes":    "it is reject or normalize",
		"client_message_rate_limit: -1":     "must not be negative",
		"client_connection_count_limit: -1": "must not be negative",
		"client_auth_failure_limit: -1":     "must not be negative",
		"max_connections: -1":               "must not be negative",
		"command_timeout: 0s":               "must be more than 0",
		"error_limit: 0":                    "must be more than 0",
		"data_rate: 0":                      "must be more than 0",
	}
	for change, want := range cases {
		lines := map[string]string{"hostname": "hostname: mx.test", "listen": "listen: [\":25\"]"}
		key, _, _ := strings.Cut(change, ":")
		lines[key] = change
		text := ""
		for _, l := range lines {
			text += l + "\n"
		}
		var c Config
		_, report := config.Parse("test.yaml", []byte(text), &c)
		err := report.Err()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", change, err, want)
		}
	}
}

func TestQueueMinFree(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"message_size_limit: 10MiB\n":                       15<<20 + freeReserve,
		"message_size_limit: 10MiB\nqueue_minfree: 1GiB\n":  1 << 30,
		"message_size_limit: 10MiB\nqueue_minfree: 14MiB\n": 0,
	} {
		var c Config
		_, report := config.Parse("test.yaml", []byte("hostname: mx.test\nlisten: [\":25\"]\n"+text), &c)
		if err := report.Err(); (err == nil) != (want != 0) || err == nil && c.MinFree() != want {
			t.Errorf("%q: %d, %v", text, c.MinFree(), err)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := testConfig()
	if c.MessageSizeLimit != 50<<20 || c.HopcountLimit != 100 || c.ForbidBareNewline != "reject" {
		t.Errorf("got %+v", c)
	}
	if n := connectionsFromFiles(); n < 64 {
		t.Errorf("%d connections", n)
	}
	if _, err := New(Options{Config: c}); err == nil {
		t.Error("a Server without a Service")
	}
}

// TestMetrics: the counters tell what happened, under the service's name.
func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	store, _ := testCertificates(t)
	o := Options{Name: "smtp_in", Service: &recorder{}, Spool: memorySpool{}, Config: testConfig(), Metrics: registry, TLS: store}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.metrics.accepted.Inc()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := ""
	for _, f := range families {
		names += f.GetName() + " "
	}
	for _, want := range []string{"messages_total", "connections", "certificate_not_after_seconds"} {
		if !strings.Contains(names, "posthouse_smtp_in_"+want+" ") {
			t.Errorf("%s is not in %s", want, names)
		}
	}
	if _, err := New(o); err == nil {
		t.Error("two services of one name")
	}
}
