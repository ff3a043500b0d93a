// SPDX-License-Identifier: MIT

package node

import (
	"os"
	"path/filepath"
	"testing"

	"posthouse/mail"
	"posthouse/table"
)

func TestOwnersOfSenders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"patterns": "/^(.*)@ours\\.test$/ $1\n/^@fixed/ eve\n",
		"fixed":    "pim@fixed.test pim\n\"p q\"@fixed.test ann\n@fixed.test admin\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		kind, login, from string
		want              bool
	}{
		{"regexp:patterns", "pim", "pim@ours.test", true},
		{"regexp:patterns", "pim", `"pim,ann"@ours.test`, false},
		{"regexp:patterns", "ann", `"pim ann zoe"@ours.test`, false},
		{"regexp:patterns", "pim", "pim+tag@ours.test", false},
		{"regexp:patterns", "eve", "pim@fixed.test", false},
		{"hash:fixed", "pim", "pim+tag@fixed.test", true},
		{"hash:fixed", "admin", "pim+tag@fixed.test", false},
		{"hash:fixed", "ann", `"p q"@fixed.test`, true},
		{"hash:fixed", "admin", "zoe@fixed.test", true},
	} {
		from, err := mail.ParseAddress(c.from)
		if err != nil {
			t.Fatal(err)
		}
		senders, err := table.Open(table.MustRef(c.kind), dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := owns(senders, "+")(c.login, from); got != c.want {
			t.Errorf("%s: %s owns %s: %v", c.kind, c.login, c.from, got)
		}
	}
}
