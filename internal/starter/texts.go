// SPDX-License-Identifier: MIT

package starter

import (
	"bytes"
	"embed"
	"strings"
	"text/template"
)

// files are the cluster file and its tables, as templates. An address in them is made by `port`, so that the base moves all.
//
//go:embed files
var files embed.FS

// facts are what the templates may ask for.
type facts struct {
	Domain, User string
	Base         int
}

// Port is a standard port moved by the base.
func (f facts) Port(standard int) int { return f.Base + standard }

// texts writes the cluster file, the tables and the zone without the DKIM record, which signingKey adds.
func texts(dir string, o Options) error {
	all, err := template.ParseFS(files, "files/*")
	if err != nil {
		return err
	}
	f := facts{Domain: Domain, User: User, Base: o.PortBase}
	for _, t := range all.Templates() {
		name, ok := strings.CutSuffix(t.Name(), ".tmpl")
		if !ok {
			continue
		}
		var text bytes.Buffer
		if err := t.Execute(&text, f); err != nil {
			return err
		}
		if err := write(dir, name, text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}
