// SPDX-License-Identifier: MIT

// Package listen opens the sockets of the services: from a configured address, or as systemd hands them over
// (sd_listen_fds(3), matched by name), and tells who is at the other end.
//
// That is the peer, unless the listener is for a proxy of ours: then the PROXY protocol (versions 1 and 2 of
// haproxy.org's proxy-protocol.txt) announces the client. Such a listener believes the header of proxy_networks, takes
// no connection without one, and none from elsewhere: whoever may announce an address may pretend to be anyone.
//
// A listener may show certificates of its own (package certs opens them); those without show their service's.
//
// An address of [::]:port is IPv6 alone, as with NGINX; a bare :port is both families. IPv4 addresses that arrive mapped into
// IPv6 (RFC 4291 2.5.5.2) are unmapped once, here, so that no list has to know of them.
package listen
