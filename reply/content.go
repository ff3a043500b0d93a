// SPDX-License-Identifier: MIT

package reply

// What is said of a message's text, with the codes of Postfix's cleanup (cleanup_strerror.c).
var (
	ContentRejected = Reply{Code: 550, Enhanced: "5.7.1", Text: "Message content rejected"}
	ContentDeferred = Reply{Code: 451, Enhanced: "4.7.1", Text: "Service unavailable, please try again later"}
	ContentNested   = Reply{Code: 550, Enhanced: "5.6.0", Text: "MIME nesting exceeds safety limit"}
	ContentGrown    = Reply{Code: 552, Enhanced: "5.3.4", Text: "Message grows beyond the fixed limit"}
)
