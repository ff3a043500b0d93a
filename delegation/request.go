// SPDX-License-Identifier: MIT

package delegation

import (
	"strconv"
	"strings"

	"posthouse/mail"
)

// Attribute is one line of a question.
type Attribute struct{ Name, Value string }

// Request is what a policy server is told. Client must be there.
type Request struct {
	State      string // the verb in hand: CONNECT HELO EHLO MAIL RCPT DATA END-OF-MESSAGE
	ID         mail.ID
	Client     *mail.Client
	From, To   mail.Path // To is zero from DATA on, if there are several
	Recipients int       // from DATA on; 0 before, as in Postfix
	Size       int64     // SIZE= of MAIL, then octets as received
	Reverse    string    // the client's PTR name, though it may not map back; "" unknown
}

// Attributes are the lines in the order that Postfix 3.7 sends them (smtpd_check.c), without policy_context, which Ask adds
// of the server. instance is the message's ID: the same for all its recipients, and for nothing else.
func (r Request) Attributes() []Attribute {
	c := r.Client
	tls, cipher, _ := strings.Cut(c.TLS, " ")
	return []Attribute{
		{"request", "smtpd_access_policy"},
		{"protocol_state", r.State},
		{"protocol_name", protocol(c.Protocol)},
		{"client_address", address(c)},
		{"client_name", known(c.Name)},
		{"client_port", port(c.Addr.Port())},
		{"reverse_client_name", known(either(r.Reverse, c.Name))},
		{"server_address", server(c)},
		{"server_port", port(c.Server.Port())},
		{"helo_name", c.HELO},
		{"sender", plain(r.From)},
		{"recipient", plain(r.To)},
		{"recipient_count", strconv.Itoa(r.Recipients)},
		{"queue_id", string(r.ID)},
		{"instance", string(r.ID)},
		{"size", strconv.FormatInt(max(r.Size, 0), 10)},
		{"etrn_domain", ""},
		{"stress", ""},
		{"sasl_method", ""},
		{"sasl_username", c.Login},
		{"sasl_sender", ""},
		{"ccert_subject", ""},
		{"ccert_issuer", ""},
		{"ccert_fingerprint", ""},
		{"ccert_pubkey_fingerprint", ""},
		{"encryption_protocol", tls},
		{"encryption_cipher", cipher},
		{"encryption_keysize", strconv.Itoa(keySize(cipher))},
	}
}

// plain is an address without the quotes that its local part may need: Postfix sends them so.
func plain(p mail.Path) string {
	if p.Domain() == "" {
		return p.Local()
	}
	return p.Local() + "@" + p.Domain()
}

// protocol is the two names that Postfix knows, of RFC 3848's many.
func protocol(name string) string {
	if name == "SMTP" || name == "" {
		return "SMTP"
	}
	return "ESMTP"
}

func address(c *mail.Client) string {
	if !c.Addr.IsValid() {
		return "unknown"
	}
	return c.Addr.Addr().WithZone("").String()
}

func server(c *mail.Client) string {
	if !c.Server.IsValid() {
		return ""
	}
	return c.Server.Addr().WithZone("").String()
}

func port(p uint16) string {
	if p == 0 {
		return ""
	}
	return strconv.Itoa(int(p))
}

func known(name string) string { return either(name, "unknown") }

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// keySize is the bits of a cipher suite's symmetric key, as its name says.
func keySize(cipher string) int {
	switch {
	case cipher == "":
		return 0
	case strings.Contains(cipher, "256_") || strings.Contains(cipher, "CHACHA20"):
		return 256
	case strings.Contains(cipher, "3DES"):
		return 168
	}
	return 128
}

// encode is the question on the wire. Controls become blanks: a line break would let a stranger's value end its line. What
// no honest name or address needs is cut.
func encode(attributes []Attribute, context string) []byte {
	b := make([]byte, 0, 1024)
	for _, a := range attributes {
		b = line(b, a)
	}
	return append(line(b, Attribute{"policy_context", context}), '\n')
}

const maxValue = 2048 // octets

func line(b []byte, a Attribute) []byte {
	b = append(append(b, a.Name...), '=')
	for _, c := range []byte(a.Value[:min(len(a.Value), maxValue)]) {
		if c < ' ' || c == 0x7f {
			c = ' '
		}
		b = append(b, c)
	}
	return append(b, '\n')
}
