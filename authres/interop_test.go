// SPDX-License-Identifier: MIT

//go:build interop

package authres

import (
	"os/exec"
	"strings"
	"testing"
)

// python reads a field with Debian's python3-authres, the parser of RFC 8601 that others' filters use.
const python = `
import sys, authres
field = authres.AuthenticationResultsHeader.parse(sys.stdin.read().replace("\r\n", "\n").rstrip("\n"))
print(field.authserv_id)
for r in field.results:
    print(r.method, r.result, *["%s.%s=%s" % (p.type, p.name, p.value) for p in r.properties])
`

func TestReadByAuthres(t *testing.T) {
	t.Parallel()
	spf := spfMethod("fail", "mailfrom", `"a b"@c.test`)
	spf.Reason = `said "no"; \`
	field := Field("mx.us.test", []Method{
		dmarcMethod("pass", "a.test", "reject"), spf, iprevMethod("pass", "192.0.2.1", "a.test"),
		dkimMethod("pass", "a.test", "s1", "rsa-sha256", "/abc+def"), dkimMethod("permerror", "b.test", "s2", "ed25519-sha256", "ghijklmn"),
	})
	c := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", python)
	c.Stdin = strings.NewReader(string(field))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("python3-authres: %v: %s\n%s", err, out, field)
	}
	want := `mx.us.test
spf fail smtp.mailfrom="a b"@c.test
dkim pass header.d=a.test header.s=s1 header.a=rsa-sha256 header.b=/abc+def
dkim permerror header.d=b.test header.s=s2 header.a=ed25519-sha256 header.b=ghijklmn
dmarc pass header.from=a.test policy.dmarc=reject
iprev pass policy.iprev=192.0.2.1
`
	if string(out) != want {
		t.Errorf("read as\n%s\nwant\n%s\nfield\n%s", out, want, field)
	}
}
