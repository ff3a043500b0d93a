// SPDX-License-Identifier: MIT

package srstable

import "bytes"

// maxRequest bounds a request in octets; the longest address is 320, and three times that when all of it is encoded.
const maxRequest = 4096

// dialect answers the first request of what has come in: used is its length, 0 if the rest of it has yet to come. open is
// false when nothing sensible can follow.
type dialect func(in, out []byte) (used int, reply []byte, open bool)

// tcpTable is tcp_table(5) over one table.
func tcpTable(ask question) dialect {
	return func(in, out []byte) (int, []byte, bool) {
		end := bytes.IndexByte(in, '\n')
		switch {
		case end < 0 && len(in) <= maxRequest:
			return 0, out, true
		case end < 0 || end > maxRequest:
			return len(in), append(out, "500 Request too long\n"...), false
		}
		encoded, isGet := bytes.CutPrefix(bytes.TrimRight(in[:end], "\r"), []byte("get "))
		if !isGet {
			return end + 1, append(out, "500 Invalid request\n"...), false
		}
		key, ok := decode(encoded)
		if !ok {
			return end + 1, append(out, "500 Invalid request\n"...), true
		}
		return end + 1, appendTCP(out, ask(key)), true
	}
}

func appendTCP(out []byte, a answer) []byte {
	if a.why != "" {
		return append(append(append(out, "500 "...), a.why...), '\n')
	}
	return append(encode(append(out, "200 "...), a.address), '\n')
}

// decode undoes %XX. An empty key is none.
func decode(encoded []byte) (key string, ok bool) {
	percent := bytes.IndexByte(encoded, '%')
	if percent < 0 {
		return string(encoded), len(encoded) > 0
	}
	plain := append(make([]byte, 0, len(encoded)), encoded[:percent]...)
	for i := percent; i < len(encoded); i++ {
		c := encoded[i]
		if c == '%' {
			if i+2 >= len(encoded) {
				return "", false
			}
			high, ok1 := unhex(encoded[i+1])
			low, ok2 := unhex(encoded[i+2])
			if !ok1 || !ok2 {
				return "", false
			}
			c, i = high<<4|low, i+2
		}
		plain = append(plain, c)
	}
	return string(plain), true
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// encode appends s with %XX for blanks, % and what is not printable ASCII.
func encode(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c == '%' || c >= 0x7f {
			out = append(out, '%', hex[c>>4], hex[c&15])
			continue
		}
		out = append(out, c)
	}
	return out
}
