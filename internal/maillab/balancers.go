// SPDX-License-Identifier: MIT

package maillab

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// NGINX runs one with this text in its stream block, and waits until it listens. It has one worker: without a zone each worker
// counts failures for itself.
func NGINX(t testing.TB, stream string) *Process {
	t.Helper()
	dir := foreignRoom(t)
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n"
	}
	file := put(t, dir, "nginx.conf", fmt.Sprintf("load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n%sdaemon off;\nworker_processes 1;\n"+
		"pid %s/pid;\nerror_log stderr notice;\nevents { worker_connections 4096; }\nstream {\n%s\n}\n", user, dir, stream))
	p := Start(t, dir, "/usr/sbin/nginx", "-p", dir, "-e", "stderr", "-c", file)
	p.WaitLog("start worker process ")
	return p
}

// HAProxy runs one with these sections, and waits until it listens at a port of 127.0.0.1.
func HAProxy(t testing.TB, sections string, ports ...int) *Process {
	t.Helper()
	dir := foreignRoom(t)
	file := put(t, dir, "haproxy.cfg", "global\n  log stdout format raw local0 notice\n  maxconn 4000\n  nbthread 1\n"+
		"defaults\n  mode tcp\n  log global\n  timeout connect 2s\n  timeout client 1m\n  timeout server 1m\n"+sections+"\n")
	p := Start(t, dir, "/usr/sbin/haproxy", "-db", "-f", file)
	for _, port := range ports {
		Wait(t, Patience, fmt.Sprintf("listener of HAProxy at port %d", port), func() bool {
			if p.Ended() {
				t.Fatal("HAProxy ended")
			}
			return Listening(t, port)
		})
	}
	return p
}

// Listening reports that somebody listens at a TCP port, of any address. It looks at the kernel's table and does not connect: a
// balancer would hand that connection on, and have had its turn.
func Listening(t testing.TB, port int) bool {
	t.Helper()
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue // no IPv6
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) > 3 && fields[3] == "0A" && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
				return true
			}
		}
	}
	return false
}
