// SPDX-License-Identifier: MIT

package milter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	protocol "github.com/emersion/go-milter"

	"posthouse/mail"
)

// The macros of a stage are those of Postfix's milter_*_macros defaults. One without a value is not sent, which is how filters
// tell "not authenticated" and "in the clear".
func macros(pairs ...string) []string {
	var kv []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if v := cString(pairs[i+1]); v != "" {
			kv = append(kv, pairs[i], v)
		}
	}
	return kv
}

func (f *filter) connectMacros(c *mail.Client) []string {
	server := ""
	if c.Server.IsValid() {
		server = c.Server.Addr().String()
	}
	peer := ""
	if c.Addr.IsValid() {
		peer = fmt.Sprintf("%s [%s]", first(c.Name, "unknown"), c.Addr.Addr())
	}
	return macros("j", f.Hostname, "{daemon_name}", f.Hostname, "{daemon_addr}", server, "v", f.Version, "_", peer)
}

func heloMacros(c *mail.Client) []string {
	version, cipher, _ := strings.Cut(c.TLS, " ")
	return macros("{tls_version}", version, "{cipher}", cipher, "{cipher_bits}", cipherBits(cipher))
}

// cipherBits reads the strength off the suite's name; "" where the name does not say.
func cipherBits(suite string) string {
	switch {
	case strings.Contains(suite, "AES_256"), strings.Contains(suite, "CHACHA20"):
		return "256"
	case strings.Contains(suite, "AES_128"):
		return "128"
	case strings.Contains(suite, "3DES"):
		return "112"
	}
	return ""
}

// mailMacros: the mechanism is not known any more at MAIL; OpenDKIM only asks whether there was one.
func mailMacros(env *mail.Envelope) []string {
	mechanism := ""
	if env.Client.Login != "" {
		mechanism = "PLAIN"
	}
	return macros("i", string(env.ID), "{auth_type}", mechanism, "{auth_authen}", env.Client.Login,
		"{mail_addr}", env.From.String(), "{mail_host}", env.From.Domain(), "{mail_mailer}", "smtp")
}

func rcptMacros(env *mail.Envelope, to mail.Path) []string {
	return macros("i", string(env.ID), "{rcpt_addr}", to.String(), "{rcpt_host}", to.Domain(), "{rcpt_mailer}", "smtp")
}

// peer is how the connect event names a client: "[addr]" if the name is not known, as Sendmail and Postfix have it.
func peer(c *mail.Client) (name string, family protocol.ProtoFamily, port uint16, addr string) {
	if !c.Addr.IsValid() {
		return first(cString(c.Name), "localhost"), protocol.FamilyUnknown, 0, ""
	}
	ip := c.Addr.Addr().Unmap()
	if family = protocol.FamilyInet; ip.Is6() {
		family = protocol.FamilyInet6
	}
	return first(cString(c.Name), "["+ip.String()+"]"), family, c.Addr.Port(), withoutZone(ip)
}

func withoutZone(ip netip.Addr) string { return ip.WithZone("").String() }

// mailParams are the ESMTP parameters of MAIL, as far as the envelope remembers them.
func mailParams(env *mail.Envelope) []string {
	var p []string
	if env.Size > 0 {
		p = append(p, "SIZE="+strconv.FormatInt(env.Size, 10))
	}
	if env.EightBit {
		p = append(p, "BODY=8BITMIME")
	}
	if env.UTF8 {
		p = append(p, "SMTPUTF8")
	}
	if env.RequireTLS {
		p = append(p, "REQUIRETLS")
	}
	if env.Ret != "" {
		p = append(p, "RET="+cString(env.Ret))
	}
	if env.EnvID != "" {
		p = append(p, "ENVID="+xtext(env.EnvID))
	}
	return p
}

// rcptParams are the ESMTP parameters of RCPT.
func rcptParams(r *mail.Recipient) []string {
	var p []string
	if words := notifyWords(r.Notify); words != "" {
		p = append(p, "NOTIFY="+words)
	}
	if kind, addr, ok := strings.Cut(r.ORcpt, ";"); ok {
		p = append(p, "ORCPT="+cString(kind)+";"+xtext(addr))
	}
	return p
}

func notifyWords(n mail.Notify) string {
	var words []string
	for _, w := range []struct {
		bit  mail.Notify
		word string
	}{{mail.NotifyNever, "NEVER"}, {mail.NotifySuccess, "SUCCESS"}, {mail.NotifyFailure, "FAILURE"}, {mail.NotifyDelay, "DELAY"}} {
		if n&w.bit != 0 {
			words = append(words, w.word)
		}
	}
	return strings.Join(words, ",")
}

// xtext is RFC 3461 4.
func xtext(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// cString is s without the octet that ends strings in the protocol.
func cString(s string) string { return strings.ReplaceAll(s, "\x00", "") }
