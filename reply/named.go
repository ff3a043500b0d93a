// SPDX-License-Identifier: MIT

package reply

// The named replies. A new situation gets a new name here, never a literal elsewhere.
var (
	OK           = Reply{Code: 250, Enhanced: "2.0.0", Text: "Ok"}
	LocalError   = Reply{Code: 451, Enhanced: "4.3.0", Text: "Temporary local problem, please try again"}
	ConfigError  = Reply{Code: 451, Enhanced: "4.3.5", Text: "Server configuration problem, please try again later"}
	DiskFull     = Reply{Code: 452, Enhanced: "4.3.1", Text: "Insufficient system storage, please try again later"}
	ShuttingDown = Reply{Code: 421, Enhanced: "4.3.2", Text: "Service shutting down, please try again"}
	Timeout      = Reply{Code: 421, Enhanced: "4.4.2", Text: "Timeout, closing connection"}
	TooManyConns = Reply{Code: 421, Enhanced: "4.7.0", Text: "Too many connections, please try again later"}
	TooFast      = Reply{Code: 421, Enhanced: "4.7.0", Text: "Too many connections in a short time, please try again later"}
	TooManyMail  = Reply{Code: 450, Enhanced: "4.7.1", Text: "Too much mail in a short time, please try again later"}
	TooManyErrs  = Reply{Code: 421, Enhanced: "4.7.0", Text: "Too many errors"}
	TooManyTries = Reply{Code: 421, Enhanced: "4.7.0", Text: "Too many wrong passwords, please try again later"}

	BadCommand   = Reply{Code: 500, Enhanced: "5.5.2", Text: "Command not recognised"}
	BareNewline  = Reply{Code: 550, Enhanced: "5.5.2", Text: "Bare CR or LF is not allowed, lines end in CRLF"}
	BadSyntax    = Reply{Code: 501, Enhanced: "5.5.4", Text: "Syntax error in parameters"}
	BadSender    = Reply{Code: 501, Enhanced: "5.1.7", Text: "Bad sender address syntax"}
	BadRecipient = Reply{Code: 501, Enhanced: "5.1.3", Text: "Bad recipient address syntax"}
	NeedUTF8     = Reply{Code: 553, Enhanced: "5.6.7", Text: "Non-ASCII address needs SMTPUTF8"}
	BadSequence  = Reply{Code: 503, Enhanced: "5.5.1", Text: "Bad sequence of commands"}
	NotOffered   = Reply{Code: 502, Enhanced: "5.5.1", Text: "Command not offered"}
	NeedTLS      = Reply{Code: 530, Enhanced: "5.7.0", Text: "Must issue a STARTTLS command first"}
	NeedAuth     = Reply{Code: 530, Enhanced: "5.7.0", Text: "Authentication required"}
	AuthFailed   = Reply{Code: 535, Enhanced: "5.7.8", Text: "Authentication failed"}
	AuthBusy     = Reply{Code: 454, Enhanced: "4.7.0", Text: "Temporary authentication failure"}
	NotYours     = Reply{Code: 553, Enhanced: "5.7.1", Text: "Sender address rejected: not owned by the login"}

	UnknownUser   = Reply{Code: 550, Enhanced: "5.1.1", Text: "Recipient address rejected: user unknown"}
	RelayDenied   = Reply{Code: 554, Enhanced: "5.7.1", Text: "Relay access denied"}
	RelayDeferred = Reply{Code: 454, Enhanced: "4.7.1", Text: "Relay access denied"}
	BadSRS        = Reply{Code: 550, Enhanced: "5.1.1", Text: "Recipient address rejected: invalid or expired SRS address"}
	Rejected      = Reply{Code: 554, Enhanced: "5.7.1", Text: "Rejected by policy"}
	Deferred      = Reply{Code: 450, Enhanced: "4.7.1", Text: "Deferred by policy, please try again later"}
	TooManyRcpts  = Reply{Code: 452, Enhanced: "4.5.3", Text: "Too many recipients"}

	TooBig       = Reply{Code: 552, Enhanced: "5.3.4", Text: "Message size exceeds fixed limit"}
	HeaderTooBig = Reply{Code: 552, Enhanced: "5.3.4", Text: "Message header size exceeds fixed limit"}
	TooManyHops  = Reply{Code: 554, Enhanced: "5.4.6", Text: "Too many hops, mail loop"}
	MailLoop     = Reply{Code: 554, Enhanced: "5.4.6", Text: "Mail loop"}

	// Outcomes of delivery, in DSNs and logs.
	NoSuchDomain    = Reply{Code: 550, Enhanced: "5.1.2", Text: "Domain does not exist"}
	NoMailHost      = Reply{Code: 550, Enhanced: "5.4.4", Text: "Mail hosts of the domain have no address"}
	NullMX          = Reply{Code: 556, Enhanced: "5.1.10", Text: "Domain does not accept mail (null MX)"}
	DNSTrouble      = Reply{Code: 451, Enhanced: "4.4.3", Text: "Name server failure"}
	NoContact       = Reply{Code: 451, Enhanced: "4.4.1", Text: "No answer from host"}
	ConnectionLost  = Reply{Code: 451, Enhanced: "4.4.2", Text: "Connection lost"}
	ProtocolError   = Reply{Code: 451, Enhanced: "4.5.0", Text: "Host does not keep to the protocol"}
	TLSRequired     = Reply{Code: 454, Enhanced: "4.7.5", Text: "Host does not offer the TLS that is required"}
	RequireTLSFails = Reply{Code: 550, Enhanced: "5.7.30", Text: "REQUIRETLS support required"}
	No8BitMIME      = Reply{Code: 554, Enhanced: "5.6.3", Text: "Host does not take 8-bit text, and conversion is not done"}
	NoSMTPUTF8      = Reply{Code: 553, Enhanced: "5.6.7", Text: "Host does not take UTF-8 addresses or header fields"}
	Expired         = Reply{Code: 554, Enhanced: "5.4.7", Text: "Delivery time expired"}
	OutsideOff      = Reply{Code: 451, Enhanced: "4.4.4", Text: "Delivery to the outside is off (--outside turns it on)"}
	BouncedByHand   = Reply{Code: 550, Enhanced: "5.7.0", Text: "Returned by the operator"}
)
