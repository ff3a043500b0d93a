// SPDX-License-Identifier: MIT

package milter

import (
	protocol "github.com/emersion/go-milter"
)

// stage is an event, by its code in the protocol.
type stage protocol.Code

const (
	atConnect = stage(protocol.CodeConn)
	atHelo    = stage(protocol.CodeHelo)
	atMail    = stage(protocol.CodeMail)
	atRcpt    = stage(protocol.CodeRcpt)
	atData    = stage(protocol.CodeData)
	atHeader  = stage(protocol.CodeHeader)
	atEOH     = stage(protocol.CodeEOH)
	atBody    = stage(protocol.CodeBody)
	atEnd     = stage(protocol.CodeEOB)
	atAbort   = stage(protocol.CodeAbort)
)

// stageTraits is what the negotiation may say of an event.
type stageTraits struct {
	name   string
	unsent protocol.OptProtocol // the filter does not want it
	silent protocol.OptProtocol // the filter does not answer it
}

func (s stage) traits() stageTraits {
	switch s {
	case atConnect:
		return stageTraits{"connect", protocol.OptNoConnect, protocol.OptNoConnReply}
	case atHelo:
		return stageTraits{"helo", protocol.OptNoHelo, protocol.OptNoHeloReply}
	case atMail:
		return stageTraits{"mail", protocol.OptNoMailFrom, protocol.OptNoMailReply}
	case atRcpt:
		return stageTraits{"rcpt", protocol.OptNoRcptTo, protocol.OptNoRcptReply}
	case atData:
		return stageTraits{"data", protocol.OptNoData, protocol.OptNoDataReply}
	case atHeader:
		return stageTraits{"header", protocol.OptNoHeaders, protocol.OptNoHeaderReply}
	case atEOH:
		return stageTraits{"end of header", protocol.OptNoEOH, protocol.OptNoEOHReply}
	case atBody:
		return stageTraits{"body", protocol.OptNoBody, protocol.OptNoBodyReply}
	case atAbort:
		return stageTraits{name: "abort"}
	}
	return stageTraits{name: "message"}
}

func (s stage) String() string { return s.traits().name }

// ofConnection reports the stages whose verdict is about the client, not about one message.
func (s stage) ofConnection() bool { return s == atConnect || s == atHelo }

// answered reports whether the filter says something at that stage.
func (l *link) answered(s stage) bool {
	t := s.traits()
	return !l.ProtocolOption(t.unsent) && !l.ProtocolOption(t.silent)
}
