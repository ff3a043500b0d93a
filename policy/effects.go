// SPDX-License-Identifier: MIT

package policy

// discards reports that the message is thrown away: no rule is asked about it any more.
func (e *Effects) discards() bool { return e != nil && e.Discard != "" }
