// SPDX-License-Identifier: MIT

package mail

import "strings"

// Field is one raw header field as it came, folds and final CRLF included.
type Field string

// Name is what stands before the colon, as written, trailing blanks cut.
func (f Field) Name() string {
	name, _, _ := strings.Cut(string(f), ":")
	return strings.TrimRight(name, " \t\r\n")
}

// Is reports a field of that name, without regard to case.
func (f Field) Is(name string) bool {
	rest := len(f) - len(name)
	if rest < 0 || !strings.EqualFold(string(f[:len(name)]), name) {
		return false
	}
	return strings.HasPrefix(strings.TrimLeft(string(f[len(name):]), " \t"), ":")
}

// Value is the unfolded value (RFC 5322 2.2.3), outer blanks cut.
func (f Field) Value() string {
	_, value, _ := strings.Cut(string(f), ":")
	value = strings.Trim(value, " \t\r\n")
	if !strings.ContainsAny(value, "\r\n") {
		return value
	}
	return strings.NewReplacer("\r", "", "\n", "").Replace(value)
}

// NewField makes a field from a name and a value that holds no line breaks but folds ("\r\n\t"). Anything else is cleaned:
// a value can neither end the field nor the header, whoever wrote it.
func NewField(name, value string) Field {
	if !isFieldName(name) {
		name = cleanName(name)
	}
	value = strings.Trim(value, " \t\r\n")
	if strings.ContainsFunc(value, isLineControl) {
		value = cleanValue(value)
	}
	return Field(name + ": " + value + "\r\n")
}

// isFieldName is RFC 5322 3.6.8: printable ASCII but the colon.
func isFieldName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ':' {
			return false
		}
	}
	return s != ""
}

func cleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || r == ':' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "X-Unnamed"
	}
	return s
}

// isLineControl is every control but the tab.
func isLineControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// cleanValue keeps folds whose line says something, and makes blanks of all other controls.
func cleanValue(s string) string {
	lines := strings.Split(s, "\r\n")
	var b strings.Builder
	for i, line := range lines {
		line = strings.Map(func(r rune) rune {
			if isLineControl(r) {
				return ' '
			}
			return r
		}, line)
		switch {
		case i == 0:
		case strings.Trim(line, " \t") == "":
			continue
		case line[0] == ' ' || line[0] == '\t':
			b.WriteString("\r\n")
		default:
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}
	return b.String()
}
