// SPDX-License-Identifier: MIT

package reply

// DMARCRejected is RFC 9989's refusal; RFC 7372 has no code of DMARC's own, and 5.7.1 is what it says for policy.
var DMARCRejected = Reply{Code: 550, Enhanced: "5.7.1", Text: "Sender is not authenticated, and its domain asks to reject such mail (DMARC)"}
