// SPDX-License-Identifier: MIT

// Package certs holds the certificates of the services: loads them, takes renewed ones in without a restart, chooses one
// for each client, and makes throw-away ones for trying out.
//
// Two profiles are all that mail needs. Port 25 is opportunistic (RFC 7435): a peer that cannot do better than TLS 1.0
// would otherwise send in the clear, so everything is taken, and session tickets are off because Outlook's servers
// break off when Go's server sends them (golang/go#70232). Submission and the like carry passwords: TLS 1.2 and up (RFC 8996, RFC 9325).
//
// A certificate and its key change only together and only if they match, so that a renewal in progress, or half of one,
// leaves the last good pair in force.
//
// SECURITY: private keys are read by the service that uses them, and never logged.
package certs
