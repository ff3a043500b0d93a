// SPDX-License-Identifier: MIT

package reply

// The replies that the wire itself gives: progress, and errors of form (RFC 5321 4.2.3, RFC 2034).
var (
	MailOK       = Reply{Code: 250, Enhanced: "2.1.0", Text: "Ok"}
	RcptOK       = Reply{Code: 250, Enhanced: "2.1.5", Text: "Ok"}
	StartMail    = Reply{Code: 354, Text: "End data with <CR><LF>.<CR><LF>"}
	ReadyForTLS  = Reply{Code: 220, Enhanced: "2.0.0", Text: "Ready to start TLS"}
	AuthOK       = Reply{Code: 235, Enhanced: "2.7.0", Text: "Authentication successful"}
	CannotVerify = Reply{Code: 252, Enhanced: "2.0.0", Text: "Cannot VRFY user, but will take mail"}
	Bye          = Reply{Code: 221, Enhanced: "2.0.0", Text: "Bye"}

	LongLine         = Reply{Code: 500, Enhanced: "5.5.2", Text: "Line too long"}
	BareCommand      = Reply{Code: 500, Enhanced: "5.5.2", Text: "Bare CR or LF is not allowed, lines end in CRLF"}
	BadParameter     = Reply{Code: 504, Enhanced: "5.5.4", Text: "Parameter value not implemented"}
	UnknownParameter = Reply{Code: 555, Enhanced: "5.5.4", Text: "Parameter not recognised or not implemented"}
	BadAuth          = Reply{Code: 501, Enhanced: "5.5.2", Text: "Authentication exchange cancelled or malformed"}
	BadMechanism     = Reply{Code: 504, Enhanced: "5.5.4", Text: "Authentication mechanism not offered"}
	AuthNeedsTLS     = Reply{Code: 538, Enhanced: "5.7.11", Text: "Encryption required for authentication"}
	Internal         = Reply{Code: 421, Enhanced: "4.3.0", Text: "Internal error, closing connection"}
)
