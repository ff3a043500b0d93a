// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// TestPeersInFront has HAProxy and NGINX as outer balancers, that announce their clients to ours, and ours to smtp-in, to Dovecot and to
// a server that shows the header.
func TestPeersInFront(t *testing.T) {
	t.Parallel()
	f, d := startMailFront(t), maillab.NewDovecot(t, "127.0.0.1")
	shown := make(chan maillab.ProxyHeader, 10)
	show := maillab.NewBackend(t, "show", maillab.BackendOptions{Serve: func(c *maillab.BackendConn) {
		h, err := maillab.ReadProxyHeader(c.R)
		if err != nil {
			t.Error(err)
		}
		shown <- h
		fmt.Fprintln(c, "show")
		io.Copy(io.Discard, c)
	}})
	imap, shows := door(t), door(t)
	startBalancer(t, "", proxied(service("imap", imap, []string{fmt.Sprintf("address: \"127.0.0.1:%d\"", d.ProxyIMAP)}, "proxy_protocol: v2",
		"health_check: {protocol: imap, interval: 200ms}"), imap, "127.0.0.0/8")+
		proxied(service("show", shows, []string{at(show, "")}, "proxy_protocol: v2"), shows, "127.0.0.0/8"))
	fronts := outerBalancers(t, map[string]string{"mx": f.mx[2], "imap": imap, "show": shows})
	for i, name := range []string{"HAProxy, v1", "HAProxy, v2", "NGINX"} {
		t.Run(name, func(t *testing.T) {
			throughPeer(t, f, d, fronts[name], i)
			c := serves(t, fronts[name]["show"], "127.0.0.40", "show")
			h := <-shown
			if h.Client.String() != c.LocalAddr().String() {
				t.Errorf("announced is %v, not %v", h.Client, c.LocalAddr())
			}
			if name == "HAProxy, v2" && !hasTLV(h, maillab.TLV{Type: 5, Value: "lab"}) {
				t.Errorf("HAProxy's unique id is lost: %q", h.Raw)
			}
		})
	}
}

// outerBalancers are HAProxy, with either version, and NGINX before each of our doors: who it is, what is behind, where it listens.
func outerBalancers(t *testing.T, doors map[string]string) map[string]map[string]string {
	t.Helper()
	words := map[string]string{"HAProxy, v1": "send-proxy", "HAProxy, v2": "send-proxy-v2 proxy-v2-options crc32c,unique-id", "NGINX": ""}
	fronts := map[string]map[string]string{}
	var haproxy, nginx strings.Builder
	var ports []int
	for who, word := range words {
		fronts[who] = map[string]string{}
		for behind, address := range doors {
			port := maillab.FreePort(t)
			fronts[who][behind] = maillab.Local(port)
			if word == "" {
				fmt.Fprintf(&nginx, "server { listen 127.0.0.1:%d; proxy_pass %s; proxy_protocol on; }\n", port, address)
				continue
			}
			ports = append(ports, port)
			fmt.Fprintf(&haproxy, "listen %s%d\n  bind 127.0.0.1:%[2]d\n  unique-id-format lab\n  server s %s %s\n", behind, port, address, word)
		}
	}
	maillab.HAProxy(t, haproxy.String(), ports...)
	maillab.NGINX(t, nginx.String())
	return fronts
}

// throughPeer sends mail and logs in, as clients of their own behind one outer balancer.
func throughPeer(t *testing.T, f *mailFront, d *maillab.Dovecot, doors map[string]string, i int) {
	t.Helper()
	client, id := fmt.Sprintf("127.0.0.%d", 20+i), fmt.Sprintf("outer%d@example.test", i)
	if err := f.bring(t, doors["mx"], client, "", id); err != nil {
		t.Error(err)
	} else if got := f.mailbox(t, id); !strings.Contains(got, "["+client+"]") {
		t.Errorf("Received does not name %s:\n%s", client, got)
	}
	if err := f.bring(t, doors["mx"], "127.0.0.9", "", "bad@example.test"); err == nil || !strings.Contains(err.Error(), "[127.0.0.9] blocked using bl.test") {
		t.Errorf("the listed client: %v", err)
	}
	login(t, d, doors["imap"], client)
}

// login reads the greeting, logs in, and looks for the client's address in Dovecot's log.
func login(t *testing.T, d *maillab.Dovecot, address, client string) {
	t.Helper()
	c := call(t, address, client, maillab.Patience)
	if !strings.HasPrefix(c.name, "* OK ") {
		t.Fatalf("greeting %q, %v", c.name, c.err)
	}
	c.SetDeadline(time.Now().Add(maillab.Patience))
	io.WriteString(c, "a LOGIN alice secret\r\n")
	for line := ""; !strings.HasPrefix(line, "a OK "); {
		var err error
		if line, err = c.line(); err != nil || strings.HasPrefix(line, "a NO ") {
			t.Fatalf("login: %q, %v", line, err)
		}
	}
	d.WaitLog("rip=" + client)
}
