// SPDX-License-Identifier: MIT

// Package handover passes the work of a running balancer to another process of the same user, as at an upgrade of the
// binary: its listening sockets first, so that no client is refused, and then its sessions, so that none is cut.
//
// The running process listens on a unix socket (SOCK_SEQPACKET); the new one connects. To each the other is a Successor
// or a Predecessor, whose methods are the steps, in this order:
//
//	Predecessor (in the new process)       Successor (in the running one)
//	Dial           hello              ->   Meet
//	               <-  listeners, end      Offer
//	Take           opens what is missing, starts to accept
//	Ready          ready              ->   Await
//	               <-  go, what is drained Go: from here the new one is the service
//	Sessions       <-  session, data       Give, one at a time
//	               ack, or no         ->
//	               <-  end                 End
//
// Until Go the running process has lost nothing and goes on if anything fails. A session belongs to exactly one process at
// any time: to the new one as soon as its ack is in the socket, and else to the old one. Either side may say no, with a
// reason, and hang up; a side that ends without a word has died.
//
// A packet is one letter and JSON (of data: the bytes), at most 64 KiB. Descriptors travel with it as SCM_RIGHTS. The peer's
// user is asked of the kernel (SO_PEERCRED), and every wait has an end.
package handover
