// SPDX-License-Identifier: MIT

//go:build interop

package milter

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"posthouse/mail"
)

// filterAt is a filter at an address.
func filterAt(t *testing.T, address string) Config {
	t.Helper()
	return entry(func(c *Config) {
		if err := c.Address.UnmarshalText([]byte(address)); err != nil {
			t.Fatal(err)
		}
	})
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
