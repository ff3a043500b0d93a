// SPDX-License-Identifier: MIT

package mail

import (
	"net/netip"
	"time"
)

// Envelope is what MAIL and RCPT said. ID is given at MAIL. Carriers do not change an Envelope. DSNs go to From, whatever
// a Recipient's Sender says.
type Envelope struct {
	ID                         ID
	From                       Path
	Recipients                 []Recipient
	Client                     Client
	Arrived                    time.Time
	Size                       int64 // SIZE= of MAIL, then octets as received
	EightBit, UTF8, RequireTLS bool
	Ret, EnvID                 string // RFC 3461 4.3 ("", FULL, HDRS), 4.4 (decoded)
	Unauthenticated            bool   // SPF or DMARC failed on arrival: no DSN unless asked for
	Hold                       string // not "": why it is committed as held
}

// Client is who brought the message.
type Client struct {
	Addr     netip.AddrPort // the announced (PROXY) or the peer's, unmapped; zero for mail made here
	Server   netip.AddrPort // where it connected to
	Name     string         // PTR name that maps back; "" unknown
	HELO     string         // sanitised
	Protocol string         // RFC 3848: SMTP ESMTP ESMTPS ESMTPA ESMTPSA LMTP, UTF8SMTP...
	TLS      string         // "TLSv1.3 TLS_AES_128_GCM_SHA256"; "" in the clear
	Login    string         // SASL login; "" none
	Early    bool           // sent bytes before it was its turn (reject_unauth_pipelining)
}

// Recipient is one RCPT, or what an alias made of it.
type Recipient struct {
	To, Given Path   // after aliases; as RCPT had it
	Sender    *Path  // the MAIL FROM that this recipient's next hop sees (SRS); nil: Envelope.From
	Notify    Notify // RFC 3461 4.1; 0: not said
	ORcpt     string // type, ";", decoded address; "" not given
}

// Notify is a set (RFC 3461 4.1). Zero means NOTIFY was not given, which asks for FAILURE (and we add DELAY).
type Notify uint8

const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)
