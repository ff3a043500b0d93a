// SPDX-License-Identifier: MIT

package health

// pop3 speaks POP3 (RFC 1939), with CAPA (RFC 2449) and STLS (RFC 2595).
func pop3() *talk {
	features := func(d *dialogue) ([]string, error) {
		return d.say("CAPA", func() ([]string, error) {
			if err := d.popStatus(); err != nil {
				return nil, err
			}
			return d.lines(func(line string) (string, bool, error) { return line, line == ".", nil })
		})
	}
	greeting := func(d *dialogue) ([]string, error) { return nil, inGreeting(d.popStatus()) }
	upgrade := func(d *dialogue) error {
		_, err := d.say("STLS", func() ([]string, error) { return nil, d.popStatus() })
		return err
	}
	return &talk{open: both(greeting, features), startTLS: "STLS", upgrade: upgrade, reopen: features, bye: "QUIT"}
}

// popStatus is +OK (RFC 1939 3).
func (d *dialogue) popStatus() error {
	line, err := d.line()
	if err == nil && !isWord(line, "+OK") {
		err = unexpected(`"+OK"`, line)
	}
	return err
}
