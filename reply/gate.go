// SPDX-License-Identifier: MIT

package reply

// What the gate of smtp-in says, with the codes of postscreen(8): 521 in the banner's place (RFC 7504), 550 at each recipient. Of a listed
// client the text names address and list instead.
var (
	GateListed   = Reply{Code: 521, Enhanced: "5.7.1", Text: "Service unavailable; client is on a DNS list"}
	GateEarly    = Reply{Code: 521, Enhanced: "5.5.1", Text: "Protocol error: you spoke before it was your turn"}
	ListedClient = Reply{Code: 550, Enhanced: "5.7.1", Text: "Service unavailable; client is on a DNS list"}
	EarlyClient  = Reply{Code: 550, Enhanced: "5.5.1", Text: "Protocol error: you spoke before it was your turn"}
)
