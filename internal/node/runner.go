// SPDX-License-Identifier: MIT

package node

import "posthouse/internal/admin"

// runner is one service of a process: an SMTP service, or the balancer. Its parts are the daemon's; what the process asks of
// it beside them is this.
type runner interface {
	// plan opens what the service needs by another snapshot, and changes nothing yet.
	plan(*snapshot) (change, error)
	// restart names what differs between two files and is read at the start alone.
	restart(old, next *Cluster, differ func(setting string, a, b any))
	// admin is the service's own section of that kind; nil: the node's counts.
	admin(*Cluster) *admin.Config
}

// change is what a reload does to one service. It is tried for all of them, and then taken by all or by none.
type change interface {
	try() error // may be refused, and then has changed nothing
	undo()      // takes back what was tried
	take()      // the rest, which cannot fail
	discard()   // in the place of take: lets go of what plan opened
}
