// SPDX-License-Identifier: MIT

package reply

// What a content filter (milter) says without words of its own, and what stands in for one that does not answer: Postfix's
// replies for SMFIR_REJECT, SMFIR_TEMPFAIL and milter_default_action.
var (
	FilterRejects = Reply{Code: 550, Enhanced: "5.7.1", Text: "Command rejected"}
	FilterDefers  = Reply{Code: 451, Enhanced: "4.7.1", Text: "Service unavailable - try again later"}
	FilterDown    = Reply{Code: 550, Enhanced: "5.5.0", Text: "Service unavailable"}
)
