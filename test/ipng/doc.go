// SPDX-License-Identifier: MIT

// Package ipng holds the example cluster of ../testdata/ipng against the world that it was written for: Unbound with its zone
// and blocklists, Rspamd with Redis, PostSRSd, postgrey, and a real Postfix that is given the same restriction lists and the
// same probes. All of it runs in namespaces of the test's own, so that clients come from the documentation networks
// (192.0.2.0/24, 198.51.100.0/24, 2001:db8::/64), servers keep their standard ports, and nothing outlives the test. It needs root
// and Debian's packages (../peers.sh), and carries the build tag interop.
//
// The probes stand in testdata/probes, a file for each set of lists. Where ours and Postfix's answer differ, the file says so
// and why; both are held to it.
package ipng
