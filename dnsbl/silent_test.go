// SPDX-License-Identifier: MIT

package dnsbl

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestSilenceIsLogged: a list that gives no answer lists nobody, and the log says so, once a minute.
func TestSilenceIsLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newLists(t, "")
		r.delay["zen.test."] = time.Hour
		l := New(Options{Resolver: r, Log: slog.New(slog.NewTextHandler(&log, nil))})
		asks := []Ask{{Zone: Zone{Domain: "zen.test"}, Addr: netip.MustParseAddr("192.0.2.9")}}
		for i, want := range []int{1, 1, 2} { // at 5, 10 and 75 s
			if i == 2 {
				time.Sleep(time.Minute)
			}
			if got := l.Ask(t.Context(), asks); got[0].Listed || got[0].Err == nil {
				t.Fatalf("%+v", got)
			}
			if got := strings.Count(log.String(), "zone=zen.test"); got != want {
				t.Errorf("%d: %d lines, want %d:\n%s", i, got, want, log.String())
			}
		}
		synctest.Wait()
	})
}
