// SPDX-License-Identifier: MIT

package policy

import (
	"net/netip"
	"strings"
	"testing"

	"posthouse/mail"
)

// text shows keys, the whole ones with a = before them.
func text(keys []key) string {
	var out []string
	for _, k := range keys {
		if k.whole {
			k.text = "=" + k.text
		}
		out = append(out, k.text)
	}
	return strings.Join(out, " ")
}

// TestKeys: what is looked up, in access(5)'s order, and what of it a pattern sees.
func TestKeys(t *testing.T) {
	t.Parallel()
	path := func(local, domain, delimiter string) string {
		p, err := mail.MakePath(local, domain)
		if err != nil {
			t.Fatal(err)
		}
		return text(pathKeys(p, delimiter))
	}
	addr := netip.MustParseAddr
	for got, want := range map[string]string{
		path("user+ext", "mail.example.test", "+"):    "=user+ext@mail.example.test user@mail.example.test mail.example.test example.test test user+ext@ user@",
		path("user", "example.test", "+"):             "=user@example.test example.test test user@",
		path("user+ext", "example.test", ""):          "=user+ext@example.test example.test test user+ext@",
		path("a b+c", "x.test", "+"):                  `="a b+c"@x.test a b+c@x.test "a b"@x.test a b@x.test x.test test "a b+c"@ a b+c@ "a b"@ a b@`,
		path("+ext", "x.test", "+"):                   "=+ext@x.test x.test test +ext@",
		path("owner-list", "x.test", "-+"):            "=owner-list@x.test x.test test owner-list@",
		path("list-request", "x.test", "-"):           "=list-request@x.test x.test test list-request@",
		path("Mailer-Daemon", "x.test", "-"):          "=Mailer-Daemon@x.test x.test test Mailer-Daemon@",
		path("u", "[192.0.2.1]", ""):                  "=u@[192.0.2.1] [192.0.2.1] 0.2.1] 2.1] 1] u@",
		text(pathKeys(mail.Path{}, "+")):              "=<>",
		text(nameKeys("mx.a.test")):                   "=mx.a.test a.test test",
		text(nameKeys("a.test.")):                     "=a.test. test.",
		text(nameKeys(".a")):                          "=.a",
		text(nameKeys("..a")):                         "=..a a",
		text(nameKeys("192.0.2.1")):                   "=192.0.2.1",
		text(nameKeys("")):                            "",
		text(addressKeys(addr("192.0.2.1"))):          "=192.0.2.1 192.0.2 192.0 192",
		text(addressKeys(addr("2001:db8::1"))):        "=2001:db8::1 2001:db8: 2001:db8 2001",
		text(addressKeys(addr("::1"))):                "=::1 : ",
		text(clientKeys("", addr("192.0.2.1"))):       "=unknown =192.0.2.1 192.0.2 192.0 192",
		text(clientKeys("h.test", addr("192.0.2.1"))): "=h.test test =192.0.2.1 192.0.2 192.0 192",
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestAccess: which key decides, and what is not looked up behind it.
func TestAccess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word, entries, from, to string
		client                  func(*mail.Client)
		facts                   facts
		want                    string // of the reply; "" goes on
	}{
		{word: "check_client_access", entries: "test REJECT; 192.0.2.1 OK", want: "Client host [192.0.2.1] rejected: Access denied"},
		{word: "check_client_access", entries: "client.test DUNNO; 192.0.2.1 REJECT"},
		{word: "check_client_access", entries: "192.0.2 REJECT no", want: "554 5.7.1 Client host [192.0.2.1] rejected: no"},
		{word: "check_client_access", entries: "unknown REJECT", client: nameless, want: "rejected"},
		{word: "check_reverse_client_hostname_access", entries: "rev.test REJECT", facts: facts{names: []string{"rev.test"}}, want: "Unverified client host [rev.test] rejected"},
		{word: "check_reverse_client_hostname_access", entries: "unknown REJECT", want: "Unverified client host [unknown] rejected"},
		{word: "check_reverse_client_hostname_access", entries: "rev.test OK", facts: facts{names: []string{"rev.test"}}, want: "451 4.3.5"},
		{word: "check_helo_access", entries: "test REJECT", want: "Helo command [client.test] rejected"},
		{word: "check_helo_access", entries: "test REJECT", client: helloes("")},
		{word: "check_sender_access", entries: "u@else.test REJECT", from: "u+x@else.test", want: "Sender address [u+x@else.test] rejected"},
		{word: "check_sender_access", entries: "else.test DUNNO; u@ REJECT", from: "u+x@else.test"},
		{word: "check_sender_access", entries: "u@ REJECT", from: "u+x@else.test", want: "rejected"},
		{word: "check_sender_access", entries: "<> REJECT", want: "Sender address rejected: Access denied"},
		{word: "check_recipient_access", entries: "ours.test 550 5.1.1 gone", want: "550 5.1.1 Recipient address [a@ours.test] rejected: gone"},
		{word: "check_sasl_access", entries: "u REJECT"},
		{word: "check_sasl_access", entries: "u REJECT", client: login, want: "Login [u] rejected"},

		{word: "check_helo_a_access", entries: "192.0.2 REJECT", facts: facts{addrs: map[string]string{"client.test": "192.0.2.7"}}, want: "rejected"},
		{word: "check_helo_a_access", entries: "client.test REJECT", facts: facts{addrs: map[string]string{"client.test": "192.0.2.7"}}},
		{word: "check_helo_a_access", entries: "198.51.100.1 REJECT", client: helloes("[198.51.100.1]"), want: "rejected"},
		{word: "check_helo_a_access", entries: "198.51.100.1 REJECT", client: helloes("198.51.100.1"), want: "rejected"},
		{word: "check_client_a_access", entries: "192.0.2.1 REJECT", client: nameless},
		{word: "check_sender_mx_access", entries: "mx.bad.test REJECT", from: "u@else.test", facts: facts{servers: map[string]string{"MX else.test": "mx.bad.test"}}, want: "rejected"},
		{word: "check_sender_mx_access", entries: "bad.test REJECT", from: "u@else.test", facts: facts{servers: map[string]string{"MX else.test": "mx.good.test mx.bad.test"}}, want: "rejected"},
		{word: "check_sender_mx_access", entries: "127 REJECT", from: "u@else.test",
			facts: facts{servers: map[string]string{"MX else.test": "mx.test"}, addrs: map[string]string{"mx.test": "2001:db8::1 127.0.0.1"}}, want: "rejected"},
		{word: "check_sender_mx_access", entries: "else.test REJECT", from: "u@else.test", want: "rejected"}, // its own MX
		{word: "check_sender_mx_access", entries: "else.test REJECT", from: "u@else.test", facts: facts{nullMX: "else.test"}},
		{word: "check_sender_mx_access", entries: "trouble.test REJECT", from: "u@trouble.test"},
		{word: "check_sender_mx_access", entries: "mx.bad.test OK", from: "u@else.test", facts: facts{servers: map[string]string{"MX else.test": "mx.bad.test"}}, want: "451 4.3.5"},
		{word: "check_sender_mx_access", entries: "192.0.2.9 REJECT", from: "u@[192.0.2.9]", want: "rejected"},
		{word: "check_sender_mx_access", entries: "<> REJECT"},
		{word: "check_sender_ns_access", entries: "ns.bad.test REJECT", from: "u@a.b.else.test", facts: facts{servers: map[string]string{"NS else.test": "ns.bad.test"}}, want: "rejected"},
		{word: "check_sender_ns_access", entries: "192.0.2.9 REJECT", from: "u@[192.0.2.9]"},
		{word: "check_recipient_ns_access", entries: "192.0.2.9 REJECT", facts: facts{servers: map[string]string{"NS ours.test": "192.0.2.9"}}, want: "Recipient address [a@ours.test] rejected"},
		{word: "check_reverse_client_hostname_mx_access", entries: "rev.test REJECT", facts: facts{names: []string{"rev.test"}}, want: "rejected"},

		{word: "check_sender_access", from: "u@else.test", facts: facts{pattern: "else"}, want: "rejected: pattern"},
		{word: "check_client_access", facts: facts{pattern: "2.1"}, want: "rejected: pattern"},
		{word: "check_client_access", facts: facts{pattern: "192.0.2"}, client: nameless, want: "rejected: pattern"},
		{word: "check_recipient_access", to: `"else x"@ours.test`, facts: facts{pattern: `"else`}, want: "rejected: pattern"},
		{word: "check_sender_access", from: "u@a.else.test", facts: facts{pattern: "u@else"}},
	} {
		t.Run(c.word+" "+c.entries, func(t *testing.T) {
			c.facts.tables = map[string]map[string]string{"hash:x": {}}
			for _, e := range entries(c.entries) {
				k, v, _ := strings.Cut(e, " ")
				c.facts.tables["hash:x"][k] = v
			}
			if c.to == "" {
				c.to = "a@ours.test"
			}
			q := stranger(t, &c.facts, c.from, c.to)
			if c.client != nil {
				c.client(q.Client)
			}
			l := Lists{Client: list(t, c.word+" hash:x"), Delimiter: "+"}
			err := l.Rcpt(t.Context(), q).Err()
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %q\nasked %q", err, c.want, c.facts.asked)
			}
		})
	}
}

// TestRoutedIsNotAllowed: an OK for the domain of a recipient is none for one that is routed on from it.
func TestRoutedIsNotAllowed(t *testing.T) {
	t.Parallel()
	f := &facts{tables: map[string]map[string]string{"hash:x": {"ours.test": "OK"}}}
	l := &Lists{Relay: list(t, "check_recipient_access hash:x", "reject_unauth_destination")}
	for to, ok := range map[string]bool{"a@ours.test": true, "a%else.test@ours.test": false, "else.test!a@ours.test": false} {
		if err := l.Rcpt(t.Context(), stranger(t, f, "", to)).Err(); (err == nil) != ok {
			t.Errorf("%s: %v", to, err)
		}
	}
}
