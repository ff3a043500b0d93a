// SPDX-License-Identifier: MIT

// Package upstream picks the server of a group that gets the next connection, as NGINX's ngx_http_upstream_module
// documents it: primary servers take turns by weight, backup servers come when no primary is left. A server that failed
// max_fails times within fail_timeout is left out for fail_timeout, then tried again. When all are out, all are tried
// once, and a group of one server ignores max_fails, since there is nothing better to do.
//
// It knows no protocol: whoever uses a Member says OK or Fail afterwards. It dials nothing and looks nothing up.
package upstream
