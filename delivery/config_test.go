// SPDX-License-Identifier: MIT

package delivery

import (
	"bytes"
	"strings"
	"testing"

	"posthouse/config"
)

type section struct {
	Delivery Config `yaml:"delivery"`
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	var s section
	if _, r := config.Parse("posthouse.yaml", []byte("delivery: {}\n"), &s); r.Err() != nil {
		t.Fatal(r.Err())
	}
	var b bytes.Buffer
	if err := config.Show(&b, s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tls_security_level: may", "minimum: 5m", "maximum: 1h7m", "lifetime: 5d", "delay_warning: 4h",
		"destination_concurrency_limit: 20"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestConfigAcceptsDesignsBlock(t *testing.T) {
	t.Parallel()
	var s section
	_, r := config.Parse("posthouse.yaml", []byte(`delivery:
  tls_security_level: encrypt
  transport_maps: "inline:{there.test=smtp:[mx.there.test]:25}"
  retry: {minimum: 5m, maximum: 67m, lifetime: 5d, delay_warning: 4h}
  destination_concurrency_limit: 20
  source_addresses: ["192.0.2.1", "2001:db8::1"]
`), &s)
	if len(r.Problems) != 0 {
		t.Error(r.Problems)
	}
}

func TestConfigComplaints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ yaml, want string }{
		{"tls_security_level: dane", `1:32: warning: delivery.tls_security_level: dane is not enforced yet: TLSA records are not read, and the level counts as may`},
		{"tls_security_level: dane-only", `1:32: warning: delivery.tls_security_level: dane-only is not enforced yet: TLSA records are not read, and the level counts as encrypt`},
		{"tls_security_level: must", `1:32: delivery.tls_security_level: unknown level "must": one of none may encrypt verify secure dane dane-only`},
		{"destination_concurrency_limit: 0", `delivery.destination_concurrency_limit: must be from 1 to 1000, not 0`},
		{"destination_concurrency_limit: many", `delivery.destination_concurrency_limit: `},
		{`source_addresses: ["192.0.2.1", "192.0.2.2"]`, `delivery.source_addresses: takes one IPv4 and one IPv6 address, not 2 and 0`},
		{`source_addresses: ["0.0.0.0"]`, `delivery.source_addresses: 0.0.0.0 cannot be the source of a connection`},
		{"retry: {minimum: 0s}", `delivery.retry.minimum: must be at least 1s, not 0s`},
		{"retry: {minimum: 2h}", `delivery.retry.maximum: 1h7m is shorter than minimum, 2h`},
		{"retry: {lifetime: 0s}", `delivery.retry.lifetime: must be positive: mail would bounce after its first attempt`},
		{"retry: {delay_warning: 9d}", `warning: delivery.retry.delay_warning: 9d is not before the end of lifetime, 5d: no warning will be sent`},
		{"retry: {maximum: 67}", `delivery.retry.maximum: "67" is not a duration: the number needs a unit: ms, s, m, h, d or w`},
		{"tls_securty_level: may", `did you mean tls_security_level`},
	} {
		var s section
		_, r := config.Parse("posthouse.yaml", []byte("delivery: {"+c.yaml+"}\n"), &s)
		if len(r.Problems) == 0 || !strings.Contains(r.Problems[0].String(), c.want) {
			t.Errorf("%s: %v", c.yaml, r.Problems)
		}
	}
	var s section
	_, r := config.Parse("posthouse.yaml", []byte("delivery: {tls_security_level: dane}\n"), &s)
	if len(r.Problems) != 1 || !r.Problems[0].Weakens {
		t.Errorf("dane without being enforced weakens a promise: %+v", r.Problems)
	}
}
