// SPDX-License-Identifier: MIT

package mail

// CommentEnd is the index of the parenthesis that ends the comment which begins at s[i] (RFC 5322 3.2.2): comments nest, and a
// backslash takes the next octet its meaning. Of a comment without an end it is len(s) or more.
func CommentEnd(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return i
}
