// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"path/filepath"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// The unit files are accepted without a word by systemd-analyze verify, for each service, and the users by systemd-sysusers.
func TestUnits(t *testing.T) {
	t.Parallel()
	dir := room(t)
	template := strings.ReplaceAll(readFile(t, "../systemd", "posthouse@.service"), "/usr/local/bin/posthouse", binary)
	writeFile(t, dir, "posthouse@.service", template, 0o644)
	writeFile(t, dir, "posthouse-smtp-in.socket", readFile(t, "../systemd", "posthouse-smtp-in.socket"), 0o644)
	writeFile(t, dir, "posthouse-srs.service",
		strings.ReplaceAll(readFile(t, "../systemd", "posthouse-srs.service"), "/usr/local/bin/posthouse", binary), 0o644)
	writeFile(t, dir, "posthouse-srs.socket", readFile(t, "../systemd", "posthouse-srs.socket"), 0o644)
	writeFile(t, dir, "posthouse-balancer.socket", readFile(t, "../systemd", "posthouse-balancer.socket"), 0o644)
	const limits = "posthouse@balancer.service.d/limits.conf"
	writeFile(t, dir, limits, readFile(t, "../systemd", limits), 0o644)
	units := []string{"posthouse-smtp-in.socket", "posthouse-balancer.socket", "posthouse-srs.service", "posthouse-srs.socket"}
	for _, service := range []string{"smtp-in", "smtp-out", "maildrop", "balancer"} {
		name := "posthouse@" + service + ".service"
		writeFile(t, dir, name, template, 0o644)
		units = append(units, name)
	}
	for _, u := range units {
		out, err := maillab.Run(t, dir, "systemd-analyze", "verify", "--man=no", filepath.Join(dir, u))
		if err != nil || out != "" {
			t.Errorf("%s: %v\n%s", u, err, out)
		}
	}
	users, err := filepath.Abs("../systemd/posthouse.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	out, err := maillab.Run(t, dir, "systemd-sysusers", "--dry-run", users)
	if err != nil || strings.Contains(out, "ignoring") || strings.Contains(out, "Failed") {
		t.Errorf("%v\n%s", err, out)
	}
}
