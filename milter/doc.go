// SPDX-License-Identifier: MIT

// Package milter asks content filters (Sendmail's milter protocol, as Rspamd, OpenDKIM and libmilter speak it).
package milter
