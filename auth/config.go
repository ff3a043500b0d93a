// SPDX-License-Identifier: MIT

package auth

import (
	"fmt"
	"strings"

	"posthouse/config"
)

// Config is the `auth:` block.
type Config struct {
	PasswdFile     config.Path `yaml:"passwd_file"`     // Dovecot's passwd-file
	UsernameFormat string      `yaml:"username_format"` // what is looked up: %u (default), %n before the @, %d behind it
}

// SetDefaults fills in Dovecot's defaults.
func (c *Config) SetDefaults() { c.UsernameFormat = "%u" }

// Validate checks the block; the file itself is checked by Open.
func (c *Config) Validate(at config.Section) {
	if c.PasswdFile == "" {
		at.At("passwd_file").Errorf("auth needs a passwd_file")
	}
	if _, err := format(c.UsernameFormat, "user@domain"); err != nil {
		at.At("username_format").Errorf("%v", err)
	}
}

// format fills in a username_format: %u the login, %n its part before the @, %d behind it, %% a percent sign. A modifier
// L or U before the letter folds the case.
func format(layout, login string) (string, error) {
	name, domain, _ := strings.Cut(login, "@")
	values := map[byte]string{'u': login, 'n': name, 'd': domain, '%': "%"}
	var b strings.Builder
	for {
		plain, rest, found := strings.Cut(layout, "%")
		b.WriteString(plain)
		if !found {
			break
		}
		fold := func(s string) string { return s }
		if strings.HasPrefix(rest, "L") {
			fold, rest = strings.ToLower, rest[1:]
		} else if strings.HasPrefix(rest, "U") {
			fold, rest = strings.ToUpper, rest[1:]
		}
		if rest == "" || !strings.Contains("und%", rest[:1]) {
			return "", fmt.Errorf("username_format knows %%u, %%n and %%d, with L or U before the letter, but not %q", "%"+rest)
		}
		b.WriteString(fold(values[rest[0]]))
		layout = rest[1:]
	}
	if b.Len() == 0 {
		return "", fmt.Errorf("username_format is empty for this login")
	}
	return b.String(), nil
}
