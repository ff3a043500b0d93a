// SPDX-License-Identifier: MIT

package main

import (
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthouse/balancer"
)

func TestPrintBalancer(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	var out strings.Builder
	err := printBalancer(&out, []balancer.ServiceStatus{
		{Service: "imaps", Method: "least_conn", Sessions: 1, Listen: []string{"[::]:993", "0.0.0.0:993"}, Servers: []balancer.ServerStatus{
			{Server: "imap.example.test:993", Address: netip.MustParseAddrPort("192.0.2.1:993"), Weight: 5, State: "up", Connections: 1, MaxConns: 100, Picked: 12, Since: now.Add(-time.Minute)},
			{Server: "192.0.2.2:993", Address: netip.MustParseAddrPort("192.0.2.2:993"), Weight: 1, Backup: true, State: "unhealthy", Failures: 3, Why: "connection refused"},
		}},
		{Service: "smtp", Method: "round_robin", Listen: []string{"192.0.2.9:25"}},
	}, now)
	want := `imaps: least_conn, 1 session, on [::]:993 0.0.0.0:993
  SERVER                 ADDRESS    TIER       STATE      CONNECTIONS  PICKED  FAILURES  CHANGED   WHY
  imap.example.test:993  192.0.2.1  primary*5  up         1/100        12      0         1m0s ago  -
  192.0.2.2:993          -          backup     unhealthy  0            0       3         -         connection refused

smtp: round_robin, 0 sessions, on 192.0.2.9:25
  SERVER  ADDRESS  TIER  STATE  CONNECTIONS  PICKED  FAILURES  CHANGED  WHY
`
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func TestPrintChanged(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := printChanged(&out, []balancer.Changed{
		{Service: "imaps", Server: "imap.example.test:993", Drained: true, Connections: 1},
		{Service: "smtp", Server: "imap.example.test:25", Address: netip.MustParseAddrPort("192.0.2.1:25")},
	})
	want := "imaps: imap.example.test:993: drained, 1 connection left\nsmtp: imap.example.test:25 (192.0.2.1): takes connections again\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// Who may not ask, and who may not write, is told who may.
func TestNoRights(t *testing.T) {
	t.Parallel()
	denied := &fs.PathError{Op: "open", Path: "state/balancer", Err: syscall.EACCES}
	for err, want := range map[error]string{unanswered(denied): "ask as the user", started(denied): "data_dir"} {
		var out strings.Builder
		report(&out, err)
		if !strings.Contains(out.String(), "state/balancer") || !strings.Contains(out.String(), "hint: "+want) {
			t.Error(out.String())
		}
	}
}

// The next process gets our arguments and the word, once, and no sockets that systemd passed to this process.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	c, err := successor(&options{})()
	if err != nil {
		t.Fatal(err)
	}
	if want := append(slices.Clone(os.Args[1:]), "--take-over"); !slices.Equal(c.Args[1:], want) {
		t.Errorf("%q, want %q", c.Args[1:], want)
	}
	for variable, mine := range map[string]bool{"LISTEN_FDS=2": true, "WATCHDOG_PID=7": true, "WATCHDOG_USEC=30": false, "NOTIFY_SOCKET=/x": false} {
		if ofThisProcess(variable) != mine {
			t.Errorf("%s: %v", variable, !mine)
		}
	}
}

// The balancer's command lines, as far as they need no running balancer.
func TestBalancerCommandLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := dir + "/posthouse.yaml"
	text := "cluster: example.test\nnodes: [{host: lb.example.test, services: [balancer]}, {host: mx.example.test, services: [smtp_in]}]\ndata_dir: data\n" +
		"smtp_in: {hostname: mx.example.test, listen: [\":25\"], relay_domains: [example.test]}\nbalancer:\n  web:\n    listen: [\":80\"]\n    upstream: [\"192.0.2.1:80\"]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"balancer status":                        "start it: `posthouse balancer`",
		"balancer status a b":                    "takes one SERVICE at most",
		"balancer drain":                         "takes one SERVER",
		"balancer drian x":                       "did you mean drain",
		"balancer status --node mx.example.test": "does not run the balancer",
		"balancer --node mx.example.test":        "does not run balancer",
		"balancer --take-over":                   "start it without --take-over",
		"balancer undrain x --service y --json":  "service is not running",
	} {
		args := strings.Fields(line + " --config " + file)
		if !strings.Contains(line, "--node") {
			args = append(args, "--node", "lb.example.test")
		}
		var out, errs strings.Builder
		if code := run(t.Context(), args, streams{nil, &out, &errs}); code == 0 || !strings.Contains(errs.String(), want) || out.Len() > 0 {
			t.Errorf("%s: %d\n%s%s", line, code, out.String(), errs.String())
		}
	}
}
