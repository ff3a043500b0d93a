// SPDX-License-Identifier: MIT

package alias

// String is what the end is, for people.
func (k Kind) String() string {
	switch k {
	case Foreign:
		return "goes on"
	case Mailbox:
		return "mailbox, if there is one"
	case User:
		return "user"
	case Discard:
		return "discarded"
	}
	return "nobody"
}
