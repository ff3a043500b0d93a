// SPDX-License-Identifier: MIT

package health

import "fmt"

// smtp speaks SMTP (RFC 5321) or, with LHLO, LMTP (RFC 2033).
func smtp(hello string) *talk {
	features := func(d *dialogue) ([]string, error) {
		return d.say(hello+" "+d.hello, func() ([]string, error) { return d.smtpReply("250") })
	}
	greeting := func(d *dialogue) ([]string, error) {
		lines, err := d.smtpReply("220")
		return lines, inGreeting(err)
	}
	upgrade := func(d *dialogue) error {
		_, err := d.say("STARTTLS", func() ([]string, error) { return d.smtpReply("220") })
		return err
	}
	return &talk{open: both(greeting, features), startTLS: "STARTTLS", upgrade: upgrade, reopen: features, bye: "QUIT"}
}

func inGreeting(err error) error {
	if err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	return nil
}

// smtpReply reads one reply (RFC 5321 4.2.1), all of whose lines have the code, and returns their texts.
func (d *dialogue) smtpReply(code string) ([]string, error) {
	return d.lines(func(line string) (string, bool, error) {
		if len(line) < 3 || line[:3] != code || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
			return "", false, unexpected(code, line)
		}
		if len(line) == 3 {
			return "", true, nil
		}
		return line[4:], line[3] == ' ', nil
	})
}
