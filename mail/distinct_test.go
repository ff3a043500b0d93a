// SPDX-License-Identifier: MIT

package mail

import "testing"

func TestDistinct(t *testing.T) {
	t.Parallel()
	a, b := Path{"a", "x.test"}, Path{"b", "x.test"}
	for _, c := range []struct{ one, two, want Notify }{
		{0, 0, 0},
		{NotifyNever, NotifyNever, NotifyNever},
		{NotifyNever, NotifySuccess, NotifySuccess},
		{NotifyNever, 0, 0},
		{0, NotifySuccess, NotifySuccess | NotifyFailure | NotifyDelay},
		{NotifySuccess, NotifyFailure, NotifySuccess | NotifyFailure},
	} {
		for range 2 {
			var d Distinct
			d.Add(Recipient{To: a, Notify: c.one}, Recipient{To: b})
			d.Add(Recipient{To: a, Notify: c.two})
			if len(d.All) != 2 || d.All[0].Notify != c.want || d.All[1].Notify != 0 {
				t.Errorf("%v and %v: %v, want %v", c.one, c.two, d.All, c.want)
			}
			c.one, c.two = c.two, c.one
		}
	}
}
