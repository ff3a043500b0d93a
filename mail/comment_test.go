// SPDX-License-Identifier: MIT

package mail

import "testing"

func TestCommentEnd(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"(a) b": 2, "(a (b) c) d": 8, `(\)) x`: 3, "()": 1} {
		if got := CommentEnd(text, 0); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	for _, text := range []string{"(", "((a)", `(a\`} {
		if got := CommentEnd(text, 0); got < len(text) {
			t.Errorf("%q has no end, and got %d", text, got)
		}
	}
}
