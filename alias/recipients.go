// SPDX-License-Identifier: MIT

package alias

import "posthouse/mail"

// Recipients puts the ends of the expansion in the place of r, with all that r asked for. Dead ends come too: it is for
// delivery to return them.
func (r Result) Recipients(of mail.Recipient) []mail.Recipient {
	out := make([]mail.Recipient, 0, len(r.Targets)+len(r.Dead))
	for _, ends := range [][]Target{r.Targets, r.Dead} {
		for _, end := range ends {
			one := of
			if !end.To.IsNull() { // what is no address at all can only be returned as the one that led to it
				one.To = end.To
			}
			out = append(out, one)
		}
	}
	return out
}
