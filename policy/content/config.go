// SPDX-License-Identifier: MIT

package content

import "posthouse/table"

// Config are the tables of header_checks(5); the sections of the services inline it.
type Config struct {
	HeaderChecks       table.Ref `yaml:"header_checks"`
	MimeHeaderChecks   table.Ref `yaml:"mime_header_checks"`   // as header_checks, unless given
	NestedHeaderChecks table.Ref `yaml:"nested_header_checks"` // likewise
	BodyChecks         table.Ref `yaml:"body_checks"`
}
