// SPDX-License-Identifier: MIT

package delegation

import (
	"strings"
	"testing"
	"time"

	"posthouse/config"
)

func TestParseServer(t *testing.T) {
	t.Parallel()
	tcp := config.Address{Network: "tcp", Host: "127.0.0.1", Port: 10023}
	plain := Server{tcp, 100 * time.Second, time.Second, 2, 300 * time.Second, 1000 * time.Second, 0, DefaultAction, ""}
	all := Server{tcp, 10 * time.Second, 5 * time.Second, 3, 60 * time.Second, 2 * time.Hour, 7, "DUNNO", "submission"}
	quoted := plain
	quoted.Address, quoted.Action = config.Address{Network: "unix", Path: "/run/p.sock"}, "DEFER_IF_PERMIT try again, please"
	short := plain
	short.Timeout, short.Action = 10*time.Second, "DUNNO"
	for text, want := range map[string]Server{
		"inet:127.0.0.1:10023": plain, " 127.0.0.1:10023 ": plain, "inet:10023": plain, "{inet:127.0.0.1:10023}": plain,
		"{ inet:127.0.0.1:10023, timeout=10s, default_action=DUNNO }": short,
		"{ inet:127.0.0.1:10023 timeout=10 default_action=DUNNO}":     short,
		`{ inet:127.0.0.1:10023, timeout=10s, retry_delay=5s, try_limit=3, max_idle=60s, max_ttl=2h, request_limit=7,
		   default_action=DUNNO, policy_context=submission }`: all,
		"{ unix:/run/p.sock, { default_action = DEFER_IF_PERMIT try again, please } }": quoted,
	} {
		if got, err := ParseServer(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "not an address", "inet:host": "not an address", "unix:private/policy": "whole path", ":10023": "needs a host", "inet:127.0.0.1:0": "needs a host and a port",
		"{}": "braces are empty", "{ inet:a:1": "not closed", "{ inet:a:1 } x": "nothing may stand behind",
		"{ inet:a:1, timeout }": "name=value", "{ inet:a:1, timeout= }": "name=value", "{ inet:a:1, timeout=0s }": "timeout: \"0s\": must be more",
		"{ inet:a:1, timeout=soon }": "not a duration", "{ inet:a:1, try_limit=0 }": "from 1", "{ inet:a:1, colour=red }": "not known; there are timeout",
	} {
		if _, err := ParseServer(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzParseServer(f *testing.F) {
	for _, s := range []string{"inet:127.0.0.1:10023", "{ inet:a:1, { default_action = DUNNO x } }", "{{}}", "}{", "{ unix:/x, timeout=10 }"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseServer(text)
		if err == nil && (s.Address.IsZero() || s.Timeout <= 0 || s.Tries < 1 || s.Action == "" || s.MaxIdle <= 0 || s.MaxTTL <= 0 || s.RetryDelay <= 0) {
			t.Fatalf("%q: %+v", text, s)
		}
	})
}
