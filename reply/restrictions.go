// SPDX-License-Identifier: MIT

package reply

// The replies of restrictions, with Postfix's codes (its *_reject_code parameters) and enhanced codes.
var (
	InvalidHelo        = Reply{Code: 501, Enhanced: "5.5.2", Text: "Helo command rejected: invalid name"}
	NonFQDNHelo        = Reply{Code: 504, Enhanced: "5.5.2", Text: "Helo command rejected: need fully-qualified hostname"}
	NonFQDNSender      = Reply{Code: 504, Enhanced: "5.5.2", Text: "Sender address rejected: need fully-qualified address"}
	NonFQDNRecipient   = Reply{Code: 504, Enhanced: "5.5.2", Text: "Recipient address rejected: need fully-qualified address"}
	UnknownSenderDom   = Reply{Code: 450, Enhanced: "4.1.8", Text: "Sender address rejected: domain not found"}
	UnknownRcptDom     = Reply{Code: 450, Enhanced: "4.1.2", Text: "Recipient address rejected: domain not found"}
	EarlyTalker        = Reply{Code: 503, Enhanced: "5.5.0", Text: "Improper use of SMTP command pipelining"}
	RestrictionTrouble = Reply{Code: 450, Enhanced: "4.3.0", Text: "Temporary look-up problem, please try again"}
)
