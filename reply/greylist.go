// SPDX-License-Identifier: MIT

package reply

import "time"

// GreylistedFor is Greylisted with the time after which the stranger passes, in whole seconds and never too short.
func GreylistedFor(wait time.Duration) Reply {
	seconds := max((wait+time.Second-1)/time.Second, 1)
	return Reply{Code: 450, Enhanced: "4.2.0"}.With("Recipient address rejected: Greylisted, try again in %d seconds", seconds)
}
