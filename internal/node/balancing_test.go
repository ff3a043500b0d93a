// SPDX-License-Identifier: MIT

package node

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthouse/balancer"
	"posthouse/internal/admin"
)

// namesItself is a server that says its name and hangs up when the client does.
func namesItself(t *testing.T, name string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, name)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

// balanced is the small cluster with a balancer beside its services.
func balanced(server string) string {
	return strings.Replace(small, "maildrop]}]", "maildrop, balancer]}]", 1) +
		fmt.Sprintf("balancer:\n  web:\n    listen: [\"127.0.0.1:0\"]\n    upstream: [%q]\n", server)
}

// through connects and reads who answers.
func through(t *testing.T, address, want string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	return c
}

// The balancer runs beside the SMTP services of its node: with its listeners, its commands, its metrics, and a reload that is all
// or nothing for all of them.
func TestBalancerBesideOthers(t *testing.T) {
	t.Parallel()
	a, b := namesItself(t, "a"), namesItself(t, "b")
	dir := smallCluster(t)
	write(t, dir, "posthouse.yaml", balanced(a))
	r := run(t, dir, SMTPIn, SMTPOut, Maildrop, Balancer)
	session := through(t, r.listeners["web"], "a")
	if text := get(t, "http://"+r.listeners["admin"]+"/metrics"); !strings.Contains(text, "posthouse_balancer_") || !strings.Contains(text, "posthouse_smtp_in_") {
		t.Error("metrics of one of both are missing")
	}
	for wrong, broken := range map[string]string{
		"the balancer's": strings.Replace(balanced(b), "upstream:", "deny: [networks-none]\n    upstream:", 1),
		"smtp-in's":      strings.Replace(balanced(b), "maps: virtual\n", "maps: virtual-none\n", 1),
		"no section":     strings.Split(balanced(b), "balancer:\n")[0],
	} {
		write(t, dir, "posthouse.yaml", broken)
		if line := r.reload(t); !strings.Contains(line, "reload refused") {
			t.Errorf("%s: %s", wrong, line)
		}
		through(t, r.listeners["web"], "a").Close()
	}
	write(t, dir, "posthouse.yaml", strings.Replace(balanced(b), "mx.example.test", "new.example.test", 1))
	if line := r.reload(t); !strings.Contains(line, "msg=reloaded") {
		t.Fatal(line)
	}
	through(t, r.listeners["web"], "b").Close()
	if _, banner := r.dial(t, "smtp-in"); !strings.HasPrefix(banner, "220 new.example.test ") {
		t.Error(banner)
	}
	fmt.Fprint(session, "x")
	if got := make([]byte, 1); second(io.ReadFull(session, got)) != nil {
		t.Error("the session before the reload was cut")
	}
	session.Close()
	r.signals <- syscall.SIGUSR2
	r.log.await(t, "this process cannot hand over its work")
}

// A listener that changed is named by the reload, with what brings it in force.
func TestReloadNamesListenersOfTheBalancer(t *testing.T) {
	t.Parallel()
	dir := smallCluster(t)
	server := namesItself(t, "a")
	write(t, dir, "posthouse.yaml", balanced(server))
	r := run(t, dir, Balancer)
	write(t, dir, "posthouse.yaml", strings.Replace(balanced(server), "web:\n    listen: [\"127.0.0.1:0\"", "web:\n    listen: [\"[::1]:0\"", 1))
	r.signals <- syscall.SIGHUP
	if line := r.log.await(t, "not in force", "msg=reloaded", "refused"); !strings.Contains(line, "a restart or an upgrade") || !strings.Contains(line, "balancer.web.listen") {
		t.Error(line)
	}
	r.log.await(t, "msg=reloaded")
}

// The commands of the control socket; a second process is told that one runs.
func TestControlOfTheBalancer(t *testing.T) {
	t.Parallel()
	dir := smallCluster(t)
	server := namesItself(t, "a")
	write(t, dir, "posthouse.yaml", balanced(server))
	run(t, dir, Balancer)
	c, _, err := Load(filepath.Join(dir, "posthouse.yaml"), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, drained := range []bool{true, false} {
		verb := map[bool]string{true: "balancer.drain", false: "balancer.undrain"}[drained]
		var got balancer.Changed
		if err := admin.Call(t.Context(), c.ControlSocket(Balancer), verb, balancer.Arguments{Server: server}, func(line json.RawMessage) error {
			return json.Unmarshal(line, &got)
		}); err != nil || got.Drained != drained || got.Server != server {
			t.Errorf("%s: %+v, %v", verb, got, err)
		}
	}
	err = c.Run(t.Context(), Options{Services: []string{Balancer}, Log: slog.New(slog.DiscardHandler), Signals: make(chan os.Signal)})
	if err == nil || !strings.Contains(err.Error(), admin.ErrInUse.Error()) {
		t.Errorf("a second one: %v", err)
	}
}

// A take-over is for a balancer that runs alone, and needs somebody to take over from.
func TestTakeOverFromNobody(t *testing.T) {
	t.Parallel()
	dir := smallCluster(t)
	write(t, dir, "posthouse.yaml", balanced("127.0.0.1:1"))
	c, _, err := Load(filepath.Join(dir, "posthouse.yaml"), "")
	if err != nil {
		t.Fatal(err)
	}
	for services, want := range map[string]string{"balancer": "no running process", "smtp_in balancer": ErrNotAlone.Error()} {
		err := c.Run(t.Context(), Options{Services: strings.Fields(services), TakeOver: true, Log: slog.New(slog.DiscardHandler), Signals: make(chan os.Signal)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", services, err)
		}
	}
}

// The balancers of the example cluster start with its file as it stands, save where they listen and keep their state and which
// DNS they ask, and have a server for each service.
func TestExampleBalancers(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"nginx0.chrma0.net.ipng.ch", "nginx0.frggh0.net.ipng.ch", "nginx0.nlams2.net.ipng.ch"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			dir := room(t, "../../test/testdata/ipng")
			text, err := os.ReadFile(filepath.Join(dir, "posthouse.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir, "names", "smtp-out.chrma0.net.ipng.ch. 60 IN A 127.0.2.1\nsmtp-out.frggh0.net.ipng.ch. 60 IN A 127.0.2.2\n"+
				"smtp-out.nlams2.net.ipng.ch. 60 IN A 127.0.2.3\nmaildrop0.chbtl0.net.ipng.ch. 60 IN A 127.0.3.1\nmaildrop0.ddln0.net.ipng.ch. 60 IN A 127.0.3.2\n")
			replace := []string{"/var/lib/posthouse", "state", "127.0.0.1:9143", "127.0.0.1:0", `servers: ["127.0.0.1:53"]`, "zone_file: names"}
			for _, port := range []string{"587", "993", "4190"} {
				replace = append(replace, `["[::]:`+port+`", "0.0.0.0:`+port+`"]`, `["[::1]:0", "127.0.0.1:0"]`)
			}
			write(t, dir, "posthouse.yaml", strings.NewReplacer(replace...).Replace(string(text)))
			r := runAs(t, dir, host, Balancer)
			for _, service := range []string{"smtp_out", "imap", "sieve"} {
				if r.listeners[service] == "" {
					t.Errorf("%s does not listen", service)
				}
			}
			if got := get(t, "http://"+r.listeners["admin"]+"/readyz"); !strings.Contains(got, `"ready"`) {
				t.Errorf("readyz: %s", got)
			}
		})
	}
}
