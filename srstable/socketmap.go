// SPDX-License-Identifier: MIT

package srstable

import (
	"bytes"
	"strconv"
)

// socketmap is socketmap_table(5): requests and replies are netstrings, LENGTH:OCTETS, with a comma behind.
func socketmap(tables map[string]question) dialect {
	return func(in, out []byte) (int, []byte, bool) {
		request, used, ok := cutNetstring(in)
		switch {
		case !ok:
			return len(in), appendNetstring(out, "PERM Invalid query.", ""), false
		case used == 0:
			return 0, out, true
		}
		name, key, found := bytes.Cut(request, []byte(" "))
		if !found {
			return used, appendNetstring(out, "PERM Invalid query.", ""), true
		}
		ask := tables[string(name)]
		if ask == nil {
			return used, appendNetstring(out, "PERM Invalid map.", ""), true
		}
		a := ask(string(key))
		if a.why != "" {
			return used, appendNetstring(out, "NOTFOUND ", a.why), true
		}
		return used, appendNetstring(out, "OK ", a.address), true
	}
}

// cutNetstring takes a netstring off the front. used is 0 while it is not there as a whole, ok false if it cannot become one
// or would be longer than maxRequest.
func cutNetstring(in []byte) (payload []byte, used int, ok bool) {
	size, i := 0, 0
	for ; i < len(in) && in[i] != ':'; i++ {
		if in[i] < '0' || in[i] > '9' {
			return nil, 0, false
		}
		if size = 10*size + int(in[i]-'0'); size > maxRequest || i > 5 {
			return nil, 0, false
		}
	}
	end := i + 1 + size // of the comma
	switch {
	case i < len(in) && i == 0: // no length
		return nil, 0, false
	case end >= len(in):
		return nil, 0, true
	case in[end] != ',':
		return nil, 0, false
	}
	return in[i+1 : end], end + 1, true
}

func appendNetstring(out []byte, head, tail string) []byte {
	out = strconv.AppendInt(out, int64(len(head)+len(tail)), 10)
	out = append(out, ':')
	return append(append(append(out, head...), tail...), ',')
}
