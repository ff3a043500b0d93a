// SPDX-License-Identifier: MIT

//go:build interop

package milter

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/internal/maillab"
	"posthouse/mail"
)

// room is a folder that other users may enter: the filters run as their own.
func room(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "posthouse-milter-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// own gives a folder below dir to a user, by the program that knows names.
func own(t *testing.T, user, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := maillab.Run(t, "", "chown", user, dir); err != nil {
		t.Fatal(err, out)
	}
	return dir
}

func waitFile(t *testing.T, p *maillab.Process, name string) {
	t.Helper()
	maillab.Wait(t, 60*time.Second, name, func() bool {
		if p.Ended() {
			t.Fatalf("ended:\n%s", p.Log())
		}
		_, err := os.Stat(name)
		return err == nil
	})
}

// waitFilter waits until a filter negotiates; slow ones take a while to get there.
func waitFilter(t *testing.T, p *maillab.Process, c Config) {
	t.Helper()
	chain := New([]Config{c}, Options{Log: slog.New(slog.DiscardHandler)})
	maillab.Wait(t, 90*time.Second, "the filter at "+c.name(), func() bool {
		if p.Ended() {
			t.Fatalf("ended:\n%s", p.Log())
		}
		client := stranger()
		s := chain.Connect(&client)
		defer s.Close()
		return s.Mail(t.Context(), envelope(t)).Err == nil
	})
}

func tcp(port int) Config {
	return entry(func(c *Config) { c.Address = config.Address{Network: "tcp", Host: "127.0.0.1", Port: port} })
}

func unix(path string) Config {
	return entry(func(c *Config) { c.Address = config.Address{Network: "unix", Path: path} })
}

func real(t *testing.T, configs ...Config) *Chain {
	t.Helper()
	return New(configs, Options{
		Hostname: "mx.test", Version: "posthouse test", Spool: spool{}, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
}

// letter is a message of its own, since filters remember.
func letter(t *testing.T, extra, body string) string {
	t.Helper()
	return fmt.Sprintf("From: Someone <a@sender.test>\r\nTo: b@here.test\r\nSubject: =?utf-8?q?two__blanks?=  \r\n\tand a fold\r\n"+
		"Date: %s\r\nMessage-ID: <%d.%s@sender.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n%s\r\n%s\r\n",
		time.Now().Format(time.RFC1123Z), time.Now().UnixNano(), strings.ReplaceAll(t.Name(), "/", "."), extra, body)
}

// after is the header as it is once the edits are made.
func after(t *testing.T, raw string, r Result) mail.Header {
	t.Helper()
	h := message(t, raw).Header
	Apply(r.Edits, &h)
	return h
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
