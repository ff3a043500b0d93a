// SPDX-License-Identifier: MIT

// Package upstream picks the server of a group that gets the next connection, as NGINX 1.22 does it in its stream module
// (ngx_stream_upstream_module, least_conn, and hash $remote_addr consistent), to the step.
//
// Primary servers take turns by weight (or by connections, or by the client's address); backups come when no primary is
// left. A failure takes weight/max_fails off a server's weight, and each choice gives one back. After max_fails failures a
// server is left out for fail_timeout from the last one; then it gets one connection, and others when that one is OK, or
// fail_timeout later. No time alone forgets failures: an OK does, if its server was chosen more than fail_timeout after the
// last of them. A lone server is never left out.
//
// What is otherwise than in NGINX, on purpose:
//
//   - Time is exact; NGINX counts whole seconds.
//   - When nobody is left, those that are out are tried too, each once in a visit: better a slow answer than none. One that
//     failed and now answers is back at once.
//   - Only OK makes a server good again. In NGINX, the end of any session does, even of one whose client left before there
//     was a connection, or whose server has stopped to answer.
//   - Hash has backups, by their own ring. NGINX allows none. An IPv6 client is hashed by its /64.
//   - A host name is lower case, also on the ring.
//
// And beyond it: health by active checks (SetHealthy), draining, slow start as NGINX Plus documents it (from nothing to the
// full weight, for a server that comes back; not with Hash), addresses of names that come and go (Place) and states that
// survive a reload (Inherit).
//
// It knows no protocol, dials nothing and looks nothing up.
package upstream
