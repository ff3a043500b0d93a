// SPDX-License-Identifier: MIT

//go:build interop

package content

import (
	"errors"
	"fmt"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// TestPostfix: the real Postfix makes of the probes what they say, so that TestProbes compares us with it.
func TestPostfix(t *testing.T) {
	t.Parallel()
	sink := maillab.NewSink(t, maillab.SinkOptions{})
	address := maillab.Local(maillab.FreePort(t))
	maillab.StartPostfix(t, maillab.PostfixOptions{
		Main: fmt.Sprintf(mainCF, sink.Port()), Master: address + " inet n - n - - smtpd\n", Address: address,
		Files: map[string]string{"header_checks": probeHeaderChecks, "body_checks": probeBodyChecks},
	})
	arrive := 0
	got := map[string]string{} // by the probe's sender
	for i, p := range probes() {
		sender := fmt.Sprintf("p%d@probe.test", i)
		err := smtp.SendMail(address, nil, sender, []string{"to@sink.test"}, []byte(strings.ReplaceAll(p.message, "\n", "\r\n")))
		var refusal *textproto.Error
		switch {
		case errors.As(err, &refusal):
			got[sender] = fmt.Sprintf("%d %s", refusal.Code, refusal.Msg)
		case err != nil:
			t.Fatal(err)
		case p.want == "discarded":
			got[sender] = p.want // unless it arrives
		default:
			arrive++
		}
	}
	for _, m := range sink.Wait(t, arrive) {
		_, from, _ := strings.Cut(m.From, "<")
		from, _, _ = strings.Cut(from, ">")
		got[from] = received(m.Data)
	}
	for i, p := range probes() {
		if got := got[fmt.Sprintf("p%d@probe.test", i)]; got != p.want {
			t.Errorf("%s: Postfix makes of it\n%q\nwant\n%q", p.name, short(got), short(p.want))
		}
	}
}

// received is what arrived without what Postfix put on top.
func received(data string) string {
	text := strings.ReplaceAll(data, "\r\n", "\n")
	for strings.HasPrefix(text, "Received:") {
		_, text, _ = strings.Cut(text, "\n")
		for strings.HasPrefix(text, "\t") || strings.HasPrefix(text, " ") {
			_, text, _ = strings.Cut(text, "\n")
		}
	}
	return text
}

// mainCF is a relay to the port given. It adds no header fields but Received and breaks no lines.
const mainCF = `myhostname = mx.relay.test
mydestination =
mynetworks = 127.0.0.1
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
local_header_rewrite_clients =
relayhost = [127.0.0.1]:%d
smtp_line_length_limit = 0
header_checks = regexp:$config_directory/header_checks
body_checks = regexp:$config_directory/body_checks
`
