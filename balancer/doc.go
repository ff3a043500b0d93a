// SPDX-License-Identifier: MIT

// Package balancer is the front door of the cluster: a TCP balancer with NGINX's words and NGINX's choice of the server
// (ngx_stream_proxy_module, ngx_stream_upstream_module), and with what mail needs beyond it: health checks that speak the
// protocol, names that are asked again, draining, and an end of the binary that cuts no session.
//
// A service is a name, its listeners and a group of servers. Who may connect is decided here (deny, allow, limits of one
// client), and which server is next; the bytes are package loop's, the choice is package upstream's, the PROXY header is
// package proxy's, the checks are package health's. A client that is refused is closed without a byte.
//
// What the loops call never waits: no look-up, no log, no file. Names are asked, files re-read and sessions logged by
// goroutines of their own.
package balancer
