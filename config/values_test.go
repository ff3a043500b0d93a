// SPDX-License-Identifier: MIT

package config

import (
	"encoding"
	"errors"
	"fmt"
	"testing"
)

// value is what every value type is.
type value interface {
	encoding.TextUnmarshaler
	fmt.Stringer
}

// Each text is read, and shown in its one spelling; "!" begins the complaint about one that is wrong.
func TestValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fresh func() value
		texts map[string]string
	}{
		{func() value { return new(Size) }, map[string]string{
			"50MiB": "50MiB", "1024KiB": "1MiB", "1GiB": "1GiB", "8 TiB": "8TiB", "10MB": "10000000", "1kB": "1000", "7B": "7", "0": "0", "1048577": "1048577",
			"9223372036854775807": "9223372036854775807",
			"8388608TiB":          "!size 8388608TiB is out of range",
			"50M":                 `!"50M" is not a size; write it as 50MiB, 64KiB or a number of octets`,
			"":                    `!"" is not a size; write it as 50MiB, 64KiB or a number of octets`,
			"1.5GiB":              `!"1.5GiB" is not a size; write it as 50MiB, 64KiB or a number of octets`,
		}},
		{func() value { return new(Duration) }, map[string]string{
			"10s": "10s", "5d": "5d", "1h30m": "1h30m", "90m": "1h30m", "500ms": "500ms", "1w": "7d", "0": "0s", "1500ms": "1s500ms", "36h": "1d12h",
			"10":                `!"10" is not a duration: the number needs a unit: ms, s, m, h, d or w`,
			"":                  `!"" is not a duration: write it as 10s, 5m, 1h30m or 5d`,
			"-5s":               `!"-5s" is not a duration: write it as 10s, 5m, 1h30m or 5d`,
			"1.5h":              `!"1.5h" is not a duration: the number needs a unit: ms, s, m, h, d or w`,
			"200000w":           `!"200000w" is not a duration: it is out of range`,
			"99999d9000000000s": "!duration 99999d9000000000s is out of range",
		}},
		{func() value { return new(Network) }, map[string]string{
			"192.0.2.0/24": "192.0.2.0/24", "192.0.2.1": "192.0.2.1/32", "[::1]/128": "::1/128", "2001:DB8::/32": "2001:db8::/32", "0.0.0.0/0": "0.0.0.0/0",
			"[2001:db8::1]":     "2001:db8::1/128",
			"198.19.1.0/16":     "!198.19.1.0/16 has bits set behind the prefix; the network is 198.19.0.0/16",
			"192.0.2.0/33":      `!"192.0.2.0/33" is not a network; write it as 192.0.2.0/24 or 2001:db8::/32`,
			"fe80::1%eth0":      `!"fe80::1%eth0" is not a network; write it as 192.0.2.0/24 or 2001:db8::/32`,
			"::ffff:0.0.0.0/96": "!::ffff:0.0.0.0/96: write it as an IPv4 network, since peers' addresses are unmapped",
		}},
		{func() value { return new(Address) }, map[string]string{
			"host:25": "host:25", "inet:Mail.Example.test:24": "mail.example.test:24", "inet:[2001:db8::1]:25": "[2001:db8::1]:25", ":25": ":25",
			"[::]:587": "[::]:587", "127.0.0.1:0": "127.0.0.1:0", "unix:/run/a b": "unix:/run/a b", "my_host:1": "my_host:1",
			"host":           `!"host" is not an address: write it as host:port, [2001:db8::1]:port or unix:/path`,
			"2001:db8::1":    `!"2001:db8::1" is not an address: an IPv6 address stands in brackets, and the port behind it: [2001:db8::1]:25`,
			"host:65536":     `!"host:65536" is not an address: the port must be a number up to 65535, not "65536"`,
			"host:smtp":      `!"host:smtp" is not an address: the port must be a number up to 65535, not "smtp"`,
			"unix:rel":       `!"unix:rel": a socket needs its whole path: unix:/run/dovecot/lmtp`,
			"a..b:25":        `!"a..b:25" is not an address: "a..b" is not a host name`,
			"[mail.test]:25": `!"[mail.test]:25" is not an address: "mail.test" is not a host name`,
		}},
		{func() value { return new(Domain) }, map[string]string{
			"Example.TEST": "example.test", "example.test.": "example.test", "bücher.test": "xn--bcher-kva.test", "xn--bcher-kva.test": "xn--bcher-kva.test", "localhost": "localhost",
			"":            `!"" is not a domain name`,
			"a.test..":    `!"a.test.." is not a domain name`,
			"\xbc.test":   `!"\xbc.test" is not a domain name`,
			"::1":         `!"::1" is an IP address; a domain name is wanted`,
			"１.2.3.4":     `!"１.2.3.4" is an IP address; a domain name is wanted`,
			"a..test":     `!"a..test" is not a domain name`,
			"a_b.test":    `!"a_b.test" is not a domain name`,
			"user@a.test": `!"user@a.test" is not a domain name`,
			"192.0.2.1":   `!"192.0.2.1" is an IP address; a domain name is wanted`,
		}},
		{func() value { return new(Path) }, map[string]string{
			"a/b": "a/b", "/a b": "/a b", "": "!is empty; it names a file", "a\x00": "!no file has a NUL or a line break in its name",
		}},
	} {
		for text, want := range test.texts {
			v := test.fresh()
			got := ""
			if err := v.UnmarshalText([]byte(text)); err != nil {
				got = "!" + err.Error()
			} else {
				got = v.String()
			}
			if got != want {
				t.Errorf("%T %q: %s, want %s", v, text, got, want)
			}
			if again := test.fresh(); got != "" && got[0] != '!' && (again.UnmarshalText([]byte(got)) != nil || again.String() != got) {
				t.Errorf("%T %q: %s is not read back", v, text, got)
			}
		}
	}
}

func TestAddressCovers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{":25", "127.0.0.1:25", true}, {":25", "[::1]:25", true}, {":25", "mx.test:25", true}, {":25", ":26", false},
		{"0.0.0.0:25", "127.0.0.1:25", true}, {"0.0.0.0:25", "[::1]:25", false}, {"0.0.0.0:25", "[::]:25", false}, {"0.0.0.0:25", "mx.test:25", false},
		{"[::]:25", "[::1]:25", true}, {"[::]:25", "127.0.0.1:25", false}, {"[0::1]:25", "[::1]:25", true},
		{"127.0.0.1:25", "127.0.0.2:25", false}, {"127.0.0.1:25", "0.0.0.0:25", false}, {"mx.test:25", "127.0.0.1:25", false},
		{"unix:/a", "unix:/a", true}, {"unix:/a", "unix:/b", false}, {"unix:/a", ":25", false},
	} {
		var a, b Address
		if err := errors.Join(a.UnmarshalText([]byte(c.a)), b.UnmarshalText([]byte(c.b))); err != nil {
			t.Fatal(err)
		}
		if got := a.Covers(b); got != c.want {
			t.Errorf("%s covers %s: %v", a, b, got)
		}
	}
}

func TestAddressForDial(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"inet:host:25": "tcp host:25", "[::1]:25": "tcp [::1]:25", ":25": "tcp :25", "unix:/run/x": "unix /run/x",
	} {
		var a Address
		if !a.IsZero() || a.String() != "" {
			t.Errorf("the zero Address is %q", a)
		}
		if err := a.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if network, address := a.Dial(); network+" "+address != want {
			t.Errorf("%s: %s %s, want %s", text, network, address, want)
		}
	}
}
