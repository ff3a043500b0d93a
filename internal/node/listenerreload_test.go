// SPDX-License-Identifier: MIT

package node

import (
	"strings"
	"testing"
)

// TestReloadWithoutAListener: a listener that is gone from the file stays open until a restart, with the certificates that it
// has. The rest of the file is in force at once.
func TestReloadWithoutAListener(t *testing.T) {
	t.Parallel()
	dir := smallCluster(t)
	own := strings.Replace(small, `mx.example.test
  listen: ["127.0.0.1:0"]`, `mx.example.test
  listen: [{address: "127.0.0.1:0", certificate: tls/cert.pem, key: tls/key.pem}]`, 1)
	write(t, dir, "posthouse.yaml", own)
	r := run(t, dir, SMTPIn)
	for _, hostname := range []string{"new.example.test", "newer.example.test"} {
		r.rewrite(t, "mx.example.test\n  listen: [\"127.0.0.1:0\"]", hostname+"\n  listen: [\"[::1]:0\"]")
		if line := r.reload(t); !strings.Contains(line, "msg=reloaded") {
			t.Fatal(line)
		}
		if _, banner := r.dial(t, "smtp-in"); !strings.HasPrefix(banner, "220 "+hostname+" ") {
			t.Error(banner)
		}
	}
	if !strings.Contains(r.log.String(), "[smtp_in.listen]") {
		t.Errorf("the listener is not named:\n%s", r.log)
	}
}
