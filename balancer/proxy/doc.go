// SPDX-License-Identifier: MIT

// Package proxy reads and writes the header by which a proxy announces the client that it speaks for, before the client's first
// octet: the PROXY protocol, versions 1 and 2 of haproxy.org's proxy-protocol.txt.
//
// Version 1 is one line of at most 107 octets, `PROXY TCP4 192.0.2.1 192.0.2.2 40000 25`. Version 2 is a signature of 12 octets, a
// command, a family, a length, the addresses, and then TLVs: typed values about the connection (the name in the TLS handshake, an
// id, a checksum of the header). A header without an address (LOCAL, UNKNOWN) is of a connection that the proxy made itself, such
// as a health check, or whose client it cannot name.
//
// Frame tells where a header ends, for whoever reads without waiting; Parse tells what it says; Read does both for a connection
// that waits; Append writes one. Who is to be believed is the caller's question: a header is only as good as the peer that sent it.
package proxy
