// SPDX-License-Identifier: MIT

package greylist

import (
	"crypto/sha256"
	"net/netip"
	"strings"

	"posthouse/mail"
)

// key stands for a triplet or a client network: 128 bits of a SHA-256, of one length and without anybody's address.
type key [16]byte

func tripletKey(network netip.Prefix, from, to mail.Path) key {
	return hash('t', network, normalise(from), strings.ToLower(to.String()))
}

func clientKey(network netip.Prefix) key { return hash('c', network) }

// hash separates its parts by an octet that no address has.
func hash(kind byte, network netip.Prefix, words ...string) key {
	b := make([]byte, 0, 256)
	b = network.AppendTo(append(b, kind))
	for _, w := range words {
		b = append(append(b, 0), w...)
	}
	sum := sha256.Sum256(b)
	return key(sum[:16])
}

// normalise takes out of a sender what changes with every mail.
func normalise(from mail.Path) string {
	if from.IsNull() {
		return ""
	}
	local := withoutSRS(withoutBATV(strings.ToLower(from.Local())))
	local, _, _ = strings.Cut(local, "+")
	return lone(local) + "@" + from.Domain()
}

// withoutBATV takes the tag off prvs=tag=user, which some write prvs=user=tag. Ten letters and digits are a tag.
func withoutBATV(local string) string {
	parts := strings.Split(local, "=")
	if len(parts) != 3 || parts[0] != "prvs" {
		return local
	}
	if isTag(parts[2]) && !isTag(parts[1]) {
		return parts[1]
	}
	return parts[2]
}

func isTag(s string) bool {
	return len(s) >= 10 && strings.Trim(s[:10], "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

// withoutSRS takes hash and day out of srs0=hash=day=domain=user and of srs1=hash=host==hash=day=domain=user; the first
// separator may be + or - as well.
func withoutSRS(local string) string {
	if len(local) < 5 || !strings.ContainsRune("=+-", rune(local[4])) {
		return local
	}
	tag, rest := local[:4], local[5:]
	switch tag {
	case "srs0":
		if sender, ok := withoutDay(rest); ok {
			return tag + "=" + sender
		}
	case "srs1":
		if parts := strings.SplitN(rest, "=", 3); len(parts) == 3 && parts[2] != "" {
			if sender, ok := withoutDay(parts[2][1:]); ok {
				return tag + "=" + parts[1] + "=" + sender
			}
		}
	}
	return local
}

// withoutDay takes the first two of hash=day=domain=user.
func withoutDay(s string) (sender string, ok bool) {
	parts := strings.SplitN(s, "=", 3)
	return parts[len(parts)-1], len(parts) == 3
}

// lone writes # for numbers that stand alone, as in bounce-1234-list: they count mails.
func lone(s string) string {
	var b strings.Builder
	for s != "" {
		n := 0
		for n < len(s) && isWord(s[n]) {
			n++
		}
		switch word := s[:n]; {
		case n == 0:
			b.WriteByte(s[0])
			n = 1
		case strings.Trim(word, "0123456789") == "":
			b.WriteByte('#')
		default:
			b.WriteString(word)
		}
		s = s[n:]
	}
	return b.String()
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_'
}
