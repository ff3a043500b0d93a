// SPDX-License-Identifier: MIT

//go:build interop

package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/textproto"
	"strings"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/reply"
	"posthouse/table"
)

// trials is how many configurations Postfix and we are compared in; each is an smtpd of its own.
const trials = 300

const mainCF = `myhostname = mx.ours.test
mydestination = ours.test
mynetworks = 192.0.2.9
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
recipient_delimiter = +
smtpd_peername_lookup = no
smtpd_reject_unlisted_recipient = no
default_process_limit = 400
max_use = 1
`

// trial is one configuration and one message.
type trial struct {
	Config
	helo, from, to string
	port           int
}

// TestSameAsPostfix compares what random lists answer with what a real smtpd answers to the same: codes and enhanced codes at
// RCPT and at DATA. DNS has no part in it.
func TestSameAsPostfix(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	all := make([]trial, trials)
	services, taken := "", map[int]bool{0: true}
	for i := range all {
		all[i] = newTrial(random)
		for taken[all[i].port] {
			all[i].port = maillab.FreePort(t)
		}
		taken[all[i].port] = true
		services += all[i].service()
	}
	maillab.StartPostfix(t, maillab.PostfixOptions{Main: mainCF, Master: services, Address: maillab.Local(all[0].port)})
	refused := 0
	for i, c := range all {
		want, got := c.ask(t), c.judge(t)
		if got != want {
			t.Errorf("trial %d: ours %q, Postfix's %q\nhelo %s, from <%s>, to <%s>\n%s", i, got, want, c.helo, c.from, c.to, c.service())
		}
		if want != "354" {
			refused++
		}
	}
	if refused < trials/4 || refused > trials*9/10 {
		t.Errorf("%d of %d refused: the trials teach little", refused, trials)
	}
}

func newTrial(random *rand.Rand) trial {
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	for {
		c := trial{
			helo: one("client.test", "pc", "a..b", "[127.0.0.1]", "[x]", "host.client.test"),
			from: one("", "a@pc", "u+x@mail.else.test", "u@ours.test"), to: one("r@ours.test", "r+tag@ours.test", "r@else.test"),
		}
		c.RecipientRestrictions = some(random, 4)
		c.DataRestrictions = some(random, 3)
		if random.IntN(2) == 0 { // ours comes first, Postfix's last: together with others they are not compared
			c.RelayRestrictions = some(random, 4)
		} else {
			c.ClientRestrictions, c.HeloRestrictions, c.SenderRestrictions = some(random, 3), some(random, 3), some(random, 3)
		}
		c.RecipientRestrictions = append(c.RecipientRestrictions, "reject_unauth_destination")
		if (configured{inRecipient, c.RecipientRestrictions}).refusal() >= 0 || (configured{inRelay, c.RelayRestrictions}).refusal() >= 0 {
			return c // Postfix does not start otherwise
		}
	}
}

// some are random restrictions.
func some(random *rand.Rand, most int) (out []string) {
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	for range random.IntN(most + 1) {
		word := one("permit", "reject", "defer", "defer_if_permit", "defer_if_permit", "defer_if_reject", "defer_if_reject", "permit_mynetworks",
			"permit_auth_destination", "reject_unauth_destination", "defer_unauth_destination", "reject_non_fqdn_sender",
			"reject_non_fqdn_recipient", "reject_invalid_helo_hostname", "reject_non_fqdn_helo_hostname", "reject_plaintext_session",
			"reject_multi_recipient_bounce", "reject_unauth_pipelining",
			"check_client_access", "check_client_access", "check_helo_access", "check_helo_access", "check_sender_access", "check_sender_access",
			"check_recipient_access", "check_recipient_access", "check_helo_a_access")
		if strings.HasPrefix(word, "check_") {
			key := map[string]string{
				"check_client_access": one("127.0.0.1", "127.0", "unknown", "127"), "check_helo_access": one("client.test", "test", "pc"),
				"check_sender_access": one("else.test", "u@", "u@mail.else.test", "<>", "pc"), "check_helo_a_access": one("127.0.0.1", "127"),
				"check_recipient_access": one("ours.test", "r@ours.test", "r@", "test", "r+tag@ours.test"),
			}[word]
			action := one("OK", "DUNNO", "REJECT", "REJECT 5.1.1 text", "DEFER 5.1.8 text", "DEFER_IF_PERMIT 4.1.2 text", "DEFER_IF_REJECT",
				"550 5.1.10 text", "421 5.7.3 text", "599 text", "12345", "550", "HOLD", "INFO text", "PREPEND X: y", "BCC b@ours.test",
				"DISCARD", "permit", "reject", "warn_if_reject reject", "defer_if_permit, reject_non_fqdn_sender", "defer_if_reject, permit",
				"reject_unauth_destination", "nonsense", "check_client_access hash:/x", "warn_if_reject nonsense")
			word += " inline:{{" + key + "=" + action + "}}"
		}
		if random.IntN(5) == 0 {
			word = "warn_if_reject " + word
		}
		out = append(out, word)
	}
	return out
}

// service is the trial's smtpd in master.cf.
func (c *trial) service() string {
	var b strings.Builder
	fmt.Fprintf(&b, "127.0.0.1:%d inet n - n - - smtpd\n", c.port)
	for _, l := range c.lists() {
		fmt.Fprintf(&b, "  -o { smtpd_%s = %s }\n", l.stance, strings.Join(l.entries, ", "))
	}
	return b.String()
}

// judge is our answer.
func (c *trial) judge(t *testing.T) string {
	q := stranger(t, opened{&facts{authorised: "ours.test", final: "ours.test"}}, c.from, c.to)
	q.Client = &mail.Client{Addr: netip.MustParseAddrPort("127.0.0.1:4025"), HELO: c.helo}
	q.Env = &mail.Envelope{}
	l := c.Lists()
	l.Delimiter = "+"
	if err := l.Rcpt(t.Context(), q).Err(); err != nil {
		return answered(reply.For(err))
	}
	q.Stage = Data
	q.Env.Recipients = make([]mail.Recipient, 1)
	if err := l.AtData(t.Context(), q).Err(); err != nil {
		return "data " + answered(reply.For(err))
	}
	return "354"
}

func answered(r reply.Reply) string { return fmt.Sprint(r.Code, " ", r.Enhanced) }

// opened looks the tables of the trial up.
type opened struct{ *facts }

func (opened) Access(name, key string, whole bool) (action, where string, found bool) {
	t, err := table.Open(table.MustRef(name), ".")
	if err != nil {
		panic(err)
	}
	return t.View().Lookup(key)
}

// ask is Postfix's answer.
func (c *trial) ask(t *testing.T) string {
	conn, err := textproto.Dial("tcp", maillab.Local(c.port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, _, err := conn.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	say := func(format string, args ...any) string {
		id, err := conn.Cmd(format, args...)
		if err != nil {
			t.Fatal(err)
		}
		conn.StartResponse(id)
		defer conn.EndResponse(id)
		code, text, err := conn.ReadResponse(0)
		if err != nil {
			t.Fatalf("%v\n%s", err, c.service())
		}
		enhanced, _, _ := strings.Cut(text, " ")
		return fmt.Sprint(code, " ", enhanced)
	}
	say("EHLO %s", c.helo)
	if got := say("MAIL FROM:<%s>", c.from); got[0] != '2' {
		return "mail " + got
	}
	if got := say("RCPT TO:<%s>", c.to); got[0] != '2' {
		return got
	}
	if got := say("DATA"); got[0] != '3' {
		return "data " + got
	}
	return "354"
}
