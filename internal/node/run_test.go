// SPDX-License-Identifier: MIT

package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// small is a cluster of one node, all of whose services fit into a test.
const small = `cluster: example.test
nodes: [{host: mail.example.test, services: [smtp_in, smtp_out, maildrop]}]
data_dir: data
admin: {listen: "127.0.0.1:0"}
tls: {certificate: tls/cert.pem, key: tls/key.pem}
resolver: {zone_file: zone}
smtp_in:
  hostname: mx.example.test
  listen: ["127.0.0.1:0"]
  virtual_alias_domains: [example.test]
  virtual_alias_maps: virtual
smtp_out:
  hostname: out.example.test
  listen: ["127.0.0.1:0"]
  auth: {passwd_file: passwd}
maildrop:
  hostname: drop.example.test
  listen: ["127.0.0.1:0"]
  virtual_mailbox_domains: [drop.example.test]
  virtual_alias_maps: virtual-maildrop
  maildir: {root: mail}
`

func smallCluster(t *testing.T) string {
	t.Helper()
	dir := room(t, "testdata/wrong")
	write(t, dir, "zone", "example.test. 60 IN MX 10 mx.example.test.\n")
	write(t, dir, "posthouse.yaml", small)
	return dir
}

// journal is a log that can be waited for.
type journal struct {
	mu    sync.Mutex
	text  strings.Builder
	lines chan string
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.text.Write(line)
	select {
	case j.lines <- string(line):
	default:
	}
	return len(line), nil
}

// await reads on to a line with one of these, and returns it.
func (j *journal) await(t *testing.T, some ...string) string {
	t.Helper()
	for {
		select {
		case line := <-j.lines:
			for _, s := range some {
				if strings.Contains(line, s) {
					return line
				}
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no %q in the log:\n%s", some, j)
		}
	}
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// running is a process under test.
type running struct {
	dir       string
	log       *journal
	signals   chan os.Signal
	listeners map[string]string
}

// run starts the services of the cluster in dir, and stops them when the test ends.
func run(t *testing.T, dir string, services ...string) *running {
	t.Helper()
	return runAs(t, dir, "", services...)
}

// runAs is run for one of several nodes.
func runAs(t *testing.T, dir, host string, services ...string) *running {
	t.Helper()
	c, _, err := Load(filepath.Join(dir, "posthouse.yaml"), host)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{dir: dir, log: &journal{lines: make(chan string, 1000)}, signals: make(chan os.Signal, 1), listeners: map[string]string{}}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- c.Run(ctx, Options{
			Services: services, Log: slog.New(slog.NewTextHandler(r.log, nil)), Signals: r.signals,
			Ready: func(all []Listener) {
				for _, l := range all {
					r.listeners[l.Service] = l.Address
				}
				close(ready)
			},
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("ended: %v\n%s", err, r.log)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatalf("did not start: %v", err)
	}
	return r
}

// reload sends SIGHUP and returns the line that says how it went.
func (r *running) reload(t *testing.T) string {
	t.Helper()
	r.signals <- syscall.SIGHUP
	return r.log.await(t, "msg=reloaded", "reload refused")
}

// rewrite changes the cluster file.
func (r *running) rewrite(t *testing.T, pairs ...string) {
	t.Helper()
	write(t, r.dir, "posthouse.yaml", strings.NewReplacer(pairs...).Replace(small))
}

// client is an SMTP conversation.
type client struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (r *running) dial(t *testing.T, service string) (c *client, banner string) {
	t.Helper()
	conn, err := net.Dial("tcp", r.listeners[service])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	c = &client{t, conn, bufio.NewReader(conn)}
	return c, c.reply()
}

func (c *client) reply() string {
	c.t.Helper()
	var all string
	for {
		line, err := c.in.ReadString('\n')
		if err != nil {
			c.t.Fatal(err)
		}
		all += line
		if len(line) > 3 && line[3] == ' ' {
			return all
		}
	}
}

func (c *client) ask(command string) string {
	c.t.Helper()
	fmt.Fprintf(c, "%s\r\n", command)
	return c.reply()
}

// A reload changes what the file says, for connections that come after it. The broken file changes nothing, and what needs
// a restart is named.
func TestReload(t *testing.T) {
	t.Parallel()
	r := run(t, smallCluster(t), SMTPIn, SMTPOut, Maildrop)
	old, banner := r.dial(t, "smtp-in")
	if !strings.HasPrefix(banner, "220 mx.example.test ") {
		t.Fatal(banner)
	}
	write(t, r.dir, "virtual-new", "postmaster@example.test admin@elsewhere.test\nnew@example.test admin@elsewhere.test\n")
	changes := []string{"mx.example.test", "new.example.test", "maps: virtual\n", "maps: virtual-new\n  message_size_limit: 1MiB\n"}
	r.rewrite(t, changes...)
	if line := r.reload(t); !strings.Contains(line, "reloaded") {
		t.Fatal(line)
	}
	if strings.Contains(r.log.String(), "before a restart") {
		t.Errorf("a restart is asked for:\n%s", r.log)
	}
	checkOld(old)
	checkNew(t, r)

	for what, wrong := range map[string][]string{
		"key":         {"hostname: mx.example.test", "hostnaem: x.test"},
		"table":       {"maps: virtual\n", "maps: virtual-none\n"},
		"section":     {"smtp_out:\n  hostname: out.example.test\n  listen: [\"127.0.0.1:0\"]\n  auth: {passwd_file: passwd}\n", "", "smtp_out, ", ""},
		"protections": {"maps: virtual\n", "maps: virtual\n  delivery: {tls_security_level: dane}\n"},
		"listener":    {"tls: {certificate: tls/cert.pem, key: tls/key.pem}\n", "", "nodes: [{host: mail.example.test", "nodes: [{host: other.test"},
	} {
		r.rewrite(t, wrong...)
		if line := r.reload(t); !strings.Contains(line, "reload refused") {
			t.Errorf("%s: %s", what, line)
		}
		checkNew(t, r)
	}
}

func checkOld(old *client) {
	old.t.Helper()
	if ehlo := old.ask("EHLO client.test"); !strings.Contains(ehlo, "mx.example.test") || strings.Contains(ehlo, "SIZE 1048576\r\n") {
		old.t.Errorf("the old connection: %s", ehlo)
	}
	old.ask("MAIL FROM:<>")
	if got := old.ask("RCPT TO:<new@example.test>"); !strings.HasPrefix(got, "550 5.1.1") {
		old.t.Errorf("the old connection: %s", got)
	}
}

func checkNew(t *testing.T, r *running) {
	t.Helper()
	c, banner := r.dial(t, "smtp-in")
	if ehlo := c.ask("EHLO client.test"); !strings.HasPrefix(banner, "220 new.example.test ") || !strings.Contains(ehlo, "SIZE 1048576\r\n") {
		t.Errorf("%s%s", banner, ehlo)
	}
	c.ask("MAIL FROM:<>")
	if got := c.ask("RCPT TO:<new@example.test>"); !strings.HasPrefix(got, "250") {
		t.Errorf("%s", got)
	}
	c.Close()
}

// What is read at the start alone is named by the reload that finds it changed.
func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	r := run(t, smallCluster(t), SMTPIn)
	r.rewrite(t, "data_dir: data", "data_dir: elsewhere", "  virtual_alias_domains", "  delivery: {retry: {minimum: 1m}}\n  queue_minfree: 1GiB\n  virtual_alias_domains",
		"mx.example.test\n  listen: [\"127.0.0.1:0\"", "mx.example.test\n  listen: [\"127.0.0.1:0\", \"[::1]:0\"", "smtp_out, ", "")
	for range 2 { // it is as true the second time
		r.signals <- syscall.SIGHUP
		line := r.log.await(t, "before a restart", "msg=reloaded", "refused")
		if !strings.Contains(line, "[nodes data_dir smtp_in.listen smtp_in.queue_minfree]") {
			t.Error(line)
		}
		r.log.await(t, "msg=reloaded")
	}
	r.rewrite(t)
	r.signals <- syscall.SIGHUP
	if line := r.log.await(t, "before a restart", "msg=reloaded", "refused"); !strings.Contains(line, "msg=reloaded") {
		t.Errorf("as it was: %s", line)
	}
}

// Services in one process have metrics of their own, with labels that no stranger chooses.
func TestMetricsOfAllServices(t *testing.T) {
	t.Parallel()
	r := run(t, smallCluster(t), SMTPIn, SMTPOut, Maildrop)
	c, _ := r.dial(t, "smtp-in")
	c.ask("EHLO client.test")
	text := get(t, "http://"+r.listeners["admin"]+"/metrics")
	for _, service := range []string{"smtp_in", "smtp_out", "maildrop"} {
		for _, metric := range []string{"connections_total", "certificate_not_after_seconds", "queue_claims", "queue_destinations", "queue_recipients{state=\"held\"}"} {
			if !strings.Contains(text, "posthouse_"+service+"_"+metric) {
				t.Errorf("no posthouse_%s_%s", service, metric)
			}
		}
	}
	if strings.Contains(text, "client.test") || !strings.Contains(text, "posthouse_smtp_in_connections_total 1\n") {
		t.Error(text)
	}
	if got := get(t, "http://"+r.listeners["admin"]+"/readyz"); !strings.Contains(got, "ok") && !strings.Contains(got, "ready") {
		t.Errorf("readyz: %s", got)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v %s", res.Status, err, text)
	}
	return string(text)
}

// A process of one service has that service's admin address, where it has one.
func TestAdminOfOneService(t *testing.T) {
	t.Parallel()
	dir := smallCluster(t)
	write(t, dir, "posthouse.yaml", strings.NewReplacer(`admin: {listen: "127.0.0.1:0"}`, `admin: {listen: "192.0.2.1:1"}`,
		"mx.example.test\n", "mx.example.test\n  admin: {listen: \"127.0.0.1:0\"}\n").Replace(small))
	r := run(t, dir, SMTPIn)
	if text := get(t, "http://"+r.listeners["admin"]+"/metrics"); strings.Contains(text, "posthouse_maildrop") {
		t.Error("metrics of a service that runs elsewhere")
	}
}

// What an override asks for is about its service too.
func TestUnenforcedOverride(t *testing.T) {
	t.Parallel()
	dir := smallCluster(t)
	write(t, dir, "posthouse.yaml", strings.Replace(small, "maildrop]}]", "maildrop], override: {smtp_in: {delivery: {tls_security_level: dane}}}}]", 1))
	c, _, err := Load(filepath.Join(dir, "posthouse.yaml"), "")
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	if err := c.enforceable(Options{Services: []string{SMTPIn}, Log: quiet}); !errors.Is(err, ErrUnenforced) {
		t.Errorf("smtp_in: %v", err)
	}
	if err := c.enforceable(Options{Services: []string{SMTPOut}, Log: quiet}); err != nil {
		t.Errorf("smtp_out: %v", err)
	}
}

// What the file asks for and does not get is said at every start; a start without a protection needs a word.
func TestUnenforced(t *testing.T) {
	t.Parallel()
	dir := smallCluster(t)
	write(t, dir, "posthouse.yaml", strings.Replace(small, "  virtual_alias_domains", "  delivery: {tls_security_level: dane}\n  virtual_alias_domains", 1))
	c, _, err := Load(filepath.Join(dir, "posthouse.yaml"), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []struct {
		services []string
		allowed  bool
		refused  bool
		logged   bool
	}{
		{[]string{SMTPIn}, false, true, true},
		{[]string{SMTPIn}, true, false, true},
		{[]string{SMTPOut, Maildrop}, false, false, false}, // others' gaps are not theirs
	} {
		log := &journal{lines: make(chan string, 10)}
		err := c.enforceable(Options{Services: o.services, AllowUnenforced: o.allowed, Log: slog.New(slog.NewTextHandler(log, nil))})
		if errors.Is(err, ErrUnenforced) != o.refused || err != nil && !strings.Contains(err.Error(), "posthouse.yaml:10: smtp_in.delivery.tls_security_level: ") {
			t.Errorf("%+v: %v", o, err)
		}
		if logged := strings.Contains(log.String(), "smtp_in.delivery.tls_security_level"); logged != o.logged {
			t.Errorf("%+v: log %s", o, log)
		}
	}
}
