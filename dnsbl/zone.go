// SPDX-License-Identifier: MIT

package dnsbl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Zone is a list, the codes of it that count, and how much a listing weighs in a Score.
type Zone struct {
	Domain string // lower-case, without a final dot
	Filter Filter // the zero Filter: every code
	Weight int    // of ParseSite [1]; negative for lists of good clients
}

// maxZoneName leaves room for the 64 octets of an IPv6 address in front (RFC 1035 2.3.4).
const maxZoneName = 253 - 64

// ParseZone reads "zone" or "zone=filter", as reject_rbl_client and its kin have it.
func ParseZone(text string) (Zone, error) {
	if strings.Contains(text, "*") {
		return Zone{}, fmt.Errorf("%q: a weight (*n) has no meaning here", text)
	}
	return parse(text)
}

// ParseSite reads "zone", "zone=filter" and either with "*weight", as postscreen_dnsbl_sites has it.
func ParseSite(text string) (Zone, error) {
	text, weight, found := strings.Cut(text, "*")
	z, err := parse(text)
	if err == nil && found {
		var n int64
		n, err = strconv.ParseInt(weight, 10, 32)
		if z.Weight = int(n); err != nil {
			err = fmt.Errorf("%q: the weight %q is not a whole number; write it as %s*2", text, weight, text)
		}
	}
	return z, err
}

func parse(text string) (Zone, error) {
	domain, filter, found := strings.Cut(text, "=")
	z := Zone{Domain: strings.ToLower(strings.TrimSuffix(domain, ".")), Weight: 1}
	if !validName(z.Domain) || len(z.Domain) > maxZoneName {
		return Zone{}, fmt.Errorf("%q: %q is not the name of a list; write it as zen.spamhaus.org=127.0.0.[2..11]", text, domain)
	}
	if !found {
		return z, nil
	}
	var err error
	if z.Filter, err = ParseFilter(filter); err == nil && !z.Filter.octets[0][127] {
		err = errors.New("takes no code in 127.0.0.0/8, where all of them lie")
	}
	if err != nil {
		return Zone{}, fmt.Errorf("%q: the filter %w", text, err)
	}
	return z, nil
}

// String is the zone as it can be parsed again.
func (z Zone) String() string {
	s := z.Domain
	if z.Filter.octets != nil {
		s += "=" + z.Filter.text
	}
	if z.Weight != 1 {
		s += "*" + strconv.Itoa(z.Weight)
	}
	return s
}
