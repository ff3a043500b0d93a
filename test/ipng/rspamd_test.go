// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// rspamdAt is what the zone says of rspamd.net.ipng.ch.
const rspamdAt = "10.0.4.1:11332"

// rspamdFiles are what stands in local.d beside Debian's own files; %[1]s is the folder. The header X-Lab gives a message the score
// of its value, and GTUBE's sisters any verdict.
var rspamdFiles = map[string]string{
	"options.inc": `dns { nameserver = ["127.0.0.1:53"]; timeout = 0.3s; retransmits = 1; }
enable_test_patterns = true;
local_addrs = [127.0.0.0/8];
tempdir = "%[1]s/run";
`,
	"logging.inc":           "level = \"notice\"; type = \"file\"; filename = \"%[1]s/log/rspamd.log\";\n",
	"worker-proxy.inc":      "bind_socket = \"" + rspamdAt + "\"; milter = yes; timeout = 20s;\nupstream \"local\" { default = yes; self_scan = yes; }\n",
	"worker-normal.inc":     "bind_socket = \"10.0.4.1:11333\";\n",
	"worker-controller.inc": "bind_socket = \"10.0.4.1:11334\";\n",
	"worker-fuzzy.inc":      "enabled = false;\n",
	"redis.conf":            "servers = \"10.0.4.1:6379\";\n",
	"greylist.conf":         "enabled = true; timeout = 3s; expire = 1h; ipv4_mask = 32;\n",
	"milter_headers.conf":   "use = [\"x-spamd-result\", \"x-spam-status\"];\n",
	"multimap.conf": `LAB_GREY { type = "header"; header = "X-Lab"; map = "%[1]s/grey.map"; score = 22.0; }
`,
	"actions.conf":     "reject = 40; add_header = 30; greylist = 20;\n",
	"fuzzy_check.conf": "enabled = false;\n",
	"rbl.conf":         "enabled = false;\n",
	"surbl.conf":       "enabled = false;\n",
	"phishing.conf":    "enabled = false;\n",
	"asn.conf":         "enabled = false;\n",
}

// startRspamd starts Rspamd and its Redis. It compiles its patterns first, which takes some ten seconds.
func startRspamd(t *testing.T) *maillab.Process {
	t.Helper()
	dir := room(t)
	for name, text := range rspamdFiles {
		write(t, filepath.Join(dir, "local.d", name), fmt.Sprintf(text+"%[2]s", dir, ""))
	}
	write(t, filepath.Join(dir, "grey.map"), "grey\n")
	for _, d := range []string{"db", "run", "log", "override.d"} {
		write(t, filepath.Join(dir, d, ".keep"), "")
	}
	if out, err := maillab.Run(t, dir, "chown", "-R", "_rspamd", dir); err != nil {
		t.Fatal(err, out)
	}
	maillab.Start(t, dir, "redis-server", "--port", "6379", "--bind", "10.0.4.1", "--save", "", "--appendonly", "no", "--protected-mode", "no", "--dir", dir)
	p := maillab.Start(t, dir, "rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-p", dir+"/run/rspamd.pid", "--var=LOCAL_CONFDIR="+dir,
		"--var=DBDIR="+dir+"/db", "--var=RUNDIR="+dir+"/run", "--var=LOGDIR="+dir+"/log")
	maillab.Wait(t, 6*maillab.Patience, "Rspamd", func() bool {
		if p.Ended() {
			t.Fatal("rspamd ended")
		}
		c, err := net.DialTimeout("tcp", rspamdAt, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return p
}
