// SPDX-License-Identifier: MIT

package delegation

import (
	"bufio"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"

	"posthouse/mail"
)

func answer(text string) (string, error) {
	return readAnswer(bufio.NewReaderSize(strings.NewReader(text), maxAnswer))
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"action=DUNNO\n\n":                              "DUNNO",
		"action=DUNNO\r\n\r\n":                          "DUNNO",
		"other=x\naction=450 4.2.0 soon\nmore=y\n\n":    "450 4.2.0 soon",
		"action=PREPEND X-A: b=c\n\n":                   "PREPEND X-A: b=c",
		"action=first\naction=second\n\n":               "first",
		"action= \t REJECT no\x00\x1b[2J\t \n\n":        "REJECT no  [2J",
		"garbage\naction=OK\n\naction=for the next\n\n": "OK",
	} {
		if got, err := answer(text); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "closed the connection", "action=DUNNO\n": "breaks off", "action=DUN": "breaks off", "\n": "names no action", "action=\n\n": "names no action",
		"actions=x\n\n": "names no action", "action=\xff\n\n": "not UTF-8",
		"action=" + strings.Repeat("x", maxAnswer) + "\n\n":    "too long",
		strings.Repeat("x="+strings.Repeat("y", 1000)+"\n", 9): "too long",
		strings.Repeat("x=y\n", maxLines) + "action=DUNNO\n\n": "too many lines",
	} {
		if got, err := answer(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %q, %v, want %s", text, got, err, want)
		}
	}
	cut := errors.New("cut")
	if _, err := readAnswer(bufio.NewReader(iotest.ErrReader(cut))); !errors.Is(err, cut) {
		t.Error(err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add("action=DUNNO\n\n")
	f.Add("a=b\r\naction=450 x\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		action, err := answer(text)
		if err == nil && (action == "" || strings.ContainsFunc(action, unicode.IsControl) && !strings.ContainsFunc(action, func(r rune) bool { return r >= 0x80 && r < 0xa0 }) || len(action) > maxAnswer) {
			t.Fatalf("%q: %q", text, action)
		}
	})
}

// The lines as Postfix 3.7.11 sends them: names and order were captured from one.
func TestAttributes(t *testing.T) {
	t.Parallel()
	from, _ := mail.ParseAddress(`"a b"@x.test`)
	to, _ := mail.ParseAddress("c@y.test")
	r := Request{State: "RCPT", ID: "0123", From: from, To: to, Size: 17, Reverse: "ptr.test", Client: &mail.Client{
		Addr: netip.MustParseAddrPort("[fe80::1%eth0]:4711"), Server: netip.MustParseAddrPort("192.0.2.2:25"), HELO: "h.test\nsasl_username=root",
		Protocol: "ESMTPSA", TLS: "TLSv1.3 TLS_AES_256_GCM_SHA384", Login: "u"}}
	want := `request=smtpd_access_policy
protocol_state=RCPT
protocol_name=ESMTP
client_address=fe80::1
client_name=unknown
client_port=4711
reverse_client_name=ptr.test
server_address=192.0.2.2
server_port=25
helo_name=h.test sasl_username=root
sender=a b@x.test
recipient=c@y.test
recipient_count=0
queue_id=0123
instance=0123
size=17
etrn_domain=
stress=
sasl_method=
sasl_username=u
sasl_sender=
ccert_subject=
ccert_issuer=
ccert_fingerprint=
ccert_pubkey_fingerprint=
encryption_protocol=TLSv1.3
encryption_cipher=TLS_AES_256_GCM_SHA384
encryption_keysize=256
policy_context=ctx

`
	if got := string(encode(r.Attributes(), "ctx")); got != want {
		t.Errorf("got\n%s", got)
	}
	bare := string(encode(Request{Client: &mail.Client{}}.Attributes(), ""))
	for _, line := range []string{"client_address=unknown", "client_name=unknown", "reverse_client_name=unknown", "client_port=", "server_port=", "server_address=", "protocol_name=SMTP", "encryption_keysize=0", "sender=", "size=0"} {
		if !strings.Contains(bare, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, bare)
		}
	}
}

// Whatever a stranger says, each attribute stays one line, and the question ends where we end it.
func FuzzEncode(f *testing.F) {
	f.Add("x\n\naction=OK")
	f.Add("\r\x00\x7f")
	f.Fuzz(func(t *testing.T, value string) {
		got := string(encode([]Attribute{{"a", value}, {"b", value}}, "c"))
		if strings.Count(got, "\n") != 4 || !strings.HasSuffix(got, "\npolicy_context=c\n\n") || strings.ContainsAny(got, "\r\x00\x7f") || len(got) > 2*maxValue+40 {
			t.Fatalf("%q", got)
		}
	})
}
