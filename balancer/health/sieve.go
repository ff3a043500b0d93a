// SPDX-License-Identifier: MIT

package health

import "strings"

// sieve speaks ManageSieve (RFC 5804). Its greeting is its capabilities, and comes again in TLS (2.2).
func sieve() *talk {
	greeting := func(d *dialogue) ([]string, error) {
		offers, err := d.sieveAnswer()
		return offers, inGreeting(err)
	}
	upgrade := func(d *dialogue) error {
		_, err := d.say("STARTTLS", d.sieveAnswer)
		return err
	}
	return &talk{open: greeting, startTLS: "STARTTLS", upgrade: upgrade, reopen: greeting, bye: "LOGOUT"}
}

// sieveAnswer reads capabilities, lines that begin with a quoted word, up to OK, and returns those words.
func (d *dialogue) sieveAnswer() ([]string, error) {
	return d.lines(func(line string) (string, bool, error) {
		if isWord(line, "OK") {
			return "", true, nil
		}
		name, _, quoted := strings.Cut(strings.TrimPrefix(line, `"`), `"`)
		if !quoted || line[0] != '"' {
			return "", false, unexpected(`capabilities and "OK"`, line)
		}
		return name, false, nil
	})
}
