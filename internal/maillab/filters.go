// SPDX-License-Identifier: MIT

package maillab

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// warmUp is how long a filter may take to start: Rspamd compiles its expressions first, 12 s on two idle cores and 50 on busy ones.
const warmUp = 180 * time.Second

// Redis runs a Redis that keeps nothing, and returns its port.
func Redis(t testing.TB) int {
	t.Helper()
	port, dir := FreePort(t), foreignRoom(t)
	Start(t, dir, "redis-server", "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir)
	WaitPort(t, Local(port))
	return port
}

// Rspamd runs an Rspamd that is a milter and scans by itself, with Debian's own configuration and the Redis at that port. It
// greylists for two seconds what scores 4 and more, as a field "X-Lab: grey" makes it, and asks no name server.
func Rspamd(t testing.TB, redis int) (p *Process, address string) {
	t.Helper()
	dir := foreignRoom(t)
	address = Local(FreePort(t))
	for _, sub := range []string{"db", "run", "log"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
		give(t, "_rspamd", filepath.Join(dir, sub))
	}
	if err := os.Mkdir(filepath.Join(dir, "local.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range rspamdFiles(dir, address, redis) {
		put(t, dir, name, text)
	}
	p = Start(t, dir, "rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-p", dir+"/run/rspamd.pid",
		"--var=LOCAL_CONFDIR="+dir, "--var=DBDIR="+dir+"/db", "--var=RUNDIR="+dir+"/run", "--var=LOGDIR="+dir+"/log")
	waitMilter(t, p, "tcp", address)
	return p, address
}

func rspamdFiles(dir, address string, redis int) map[string]string {
	files := map[string]string{
		"grey.map": "grey\n",
		"local.d/options.inc": fmt.Sprintf("dns { nameserver = [\"127.0.0.1:9\"]; timeout = 0.1s; retransmits = 1; }\nenable_test_patterns = true;\n"+
			"local_addrs = [127.0.0.0/8];\ntempdir = \"%[1]s/run\";\ncontrol_socket = \"%[1]s/run/control.sock mode=0600\";\n", dir),
		"local.d/logging.inc": "level = \"notice\"; type = \"console\";\n",
		"local.d/worker-proxy.inc": fmt.Sprintf("bind_socket = \"%s\"; milter = yes; timeout = 20s; count = 1;\n"+
			"upstream \"local\" { default = yes; self_scan = yes; }\n", address),
		"local.d/redis.conf":          fmt.Sprintf("servers = \"127.0.0.1:%d\";\n", redis),
		"local.d/greylist.conf":       "enabled = true; timeout = 2s; expire = 1h; ipv4_mask = 32;\n",
		"local.d/milter_headers.conf": "use = [\"x-spamd-result\", \"x-spam-status\"]; extended_spam_headers = true;\n",
		"local.d/multimap.conf":       fmt.Sprintf("LAB_GREY { type = \"header\"; header = \"X-Lab\"; map = \"%s/grey.map\"; score = 5.0; }\n", dir),
	}
	for _, off := range []string{"worker-normal.inc", "worker-controller.inc", "worker-fuzzy.inc", "fuzzy_check.conf", "rbl.conf", "surbl.conf",
		"phishing.conf", "asn.conf", "neural.conf"} {
		files["local.d/"+off] = "enabled = false;\n"
	}
	return files
}

// foreignRoom is a folder that a program which runs as another user may enter.
func foreignRoom(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "maillab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
