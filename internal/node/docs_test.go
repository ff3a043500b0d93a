// SPDX-License-Identifier: MIT

package node

import (
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"posthouse/balancer"
	"posthouse/balancer/health"
	"posthouse/config"
	"posthouse/delivery"
	"posthouse/greylist"
	"posthouse/maildrop"
	"posthouse/smtpin"
	"posthouse/smtpout"
	"posthouse/srs"
	"posthouse/table"
	"posthouse/upstream"
)

// keysOf are the dotted paths of all keys that the cluster file may have. Lists and maps stand for their elements.
func keysOf(t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var all []string
	for f := range t.Fields() {
		key, inline, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case inline == "inline":
			all = append(all, keysOf(f.Type, path)...)
		case key != "" && f.IsExported():
			all = append(all, path+key)
			all = append(all, keysOf(f.Type, path+key+".")...)
		}
	}
	return all
}

func clusterKeys() []string { return keysOf(reflect.TypeFor[Config](), "") }

func doc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every key is in docs/config.md, as a word of a code span.
func TestConfigPageHasEveryKey(t *testing.T) {
	t.Parallel()
	words := map[string]bool{}
	for _, span := range regexp.MustCompile("`[^`]+`").FindAllString(doc(t, "config.md"), -1) {
		for _, word := range regexp.MustCompile(`\w+`).FindAllString(span, -1) {
			words[word] = true
		}
	}
	for _, path := range clusterKeys() {
		if key := path[strings.LastIndex(path, ".")+1:]; !words[key] {
			t.Errorf("docs/config.md has no %s", path)
		}
	}
}

// chapters are the top-level sections of the example, with the lines that are off switched on.
func chapters(t *testing.T) map[string]string {
	t.Helper()
	text := strings.ReplaceAll(doc(t, "posthouse.example.yaml"), "#!", "  ")
	all, last := map[string]string{}, ""
	for line := range strings.Lines(text) {
		if key, _, ok := strings.Cut(line, ":"); ok && strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_") == "" {
			last = key
		}
		code, _, _ := strings.Cut(line, " # ")
		all[last] += code
	}
	return all
}

// Every key is in the example, in its own section. The parts of what several sections have (a listener, a server, the
// delivery block) are written out once.
func TestExampleHasEveryKey(t *testing.T) {
	t.Parallel()
	text := chapters(t)
	for _, path := range clusterKeys() {
		section, rest, _ := strings.Cut(path, ".")
		key := path[strings.LastIndex(path, ".")+1:]
		own := text[section]
		if strings.Contains(rest, ".") {
			own = strings.Join([]string{text["smtp_in"], own, text["maildrop"]}, "\n")
		}
		if !regexp.MustCompile(`(?m)(^|[ {])` + key + `:`).MatchString(own) {
			t.Errorf("docs/posthouse.example.yaml has no %s", path)
		}
	}
}

// What the example calls a default is one.
func TestExampleHasTheDefaults(t *testing.T) {
	t.Parallel()
	cfg := new(Config)
	if _, report := config.Load("../../docs/posthouse.example.yaml", cfg); report.Err() != nil {
		t.Fatal(report.Err())
	}
	in, out, drop := *cfg.SMTPIn, *cfg.SMTPOut, *cfg.Maildrop
	var wantIn smtpin.Config
	var wantOut smtpout.Config
	var wantDrop maildrop.Config
	wantIn.SetDefaults()
	wantOut.SetDefaults()
	wantDrop.SetDefaults()
	for _, c := range []struct{ name, diff string }{
		{"smtp_in", differ(&wantIn.Config, &in.Config, "Hostname", "Listen")},
		{"smtp_in relay", cmp.Diff(wantIn.Restrictions.RelayRestrictions, in.Restrictions.RelayRestrictions)},
		{"smtp_out", differ(&wantOut.Config, &out.Config, "Hostname", "Listen")},
		{"smtp_out relay", cmp.Diff(wantOut.Restrictions.RelayRestrictions, out.Restrictions.RelayRestrictions)},
		{"maildrop", differ(&wantDrop.Config, &drop.Config, "Hostname", "Listen")},
		{"maildrop relay", cmp.Diff(wantDrop.Restrictions.RelayRestrictions, drop.Restrictions.RelayRestrictions)},
		{"delivery", differ(byDefault[delivery.Config](), &in.Delivery, "TransportMaps", "SourceAddresses")},
		{"gate", differ(byDefault[smtpin.GateConfig](), &in.Gate, "Allow")},
		{"dnsbl", differ(byDefault[smtpin.DNSBLConfig](), &in.DNSBL)},
		{"greylist", differ(byDefault[greylist.Config](), &in.Greylist, "Exceptions", "RecipientExceptions")},
		{"sender_authentication", differ(byDefault[smtpin.AuthenticationConfig](), &in.SenderAuthentication)},
		{"srs", differ(byDefault[srs.Config](), in.SRS, "Domain", "SecretFile", "ExcludeDomains")},
		{"lmtp", differ(byDefault[upstream.Server](), &drop.LMTP[0], "Address")},
		{"balancer", differ(byDefault[balancer.Service](), cfg.Balancer["imaps"], "Listen", "Upstream", "HealthCheck")},
		{"health_check", differ(byDefault[health.Config](), cfg.Balancer["imaps"].HealthCheck, "Timeout")},
		{"auth", cmp.Diff("%u", out.Auth.UsernameFormat)},
	} {
		if c.diff != "" {
			t.Errorf("%s: default (-), example (+):\n%s", c.name, c.diff)
		}
	}
}

func byDefault[T any, P interface {
	*T
	config.Defaulter
}]() P {
	p := P(new(T))
	p.SetDefaults()
	return p
}

// differ compares two structs but for the named fields.
func differ[T any](want, got *T, except ...string) string {
	a, b := *want, *got
	for _, name := range except {
		for _, p := range []*T{&a, &b} {
			reflect.ValueOf(p).Elem().FieldByName(name).SetZero()
		}
	}
	return cmp.Diff(a, b, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}), cmp.Comparer(func(x, y table.Ref) bool { return reflect.DeepEqual(x, y) }))
}
