// SPDX-License-Identifier: MIT

package dovecot

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Ready waits until Dovecot takes mail: its master opens all sockets at once, when it has read its configuration. Whoever runs
// it gives ctx a limit, and ends it when Run returns.
func Ready(ctx context.Context, o Options) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", o.LMTP)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the private Dovecot: %w", err)
		}
	}
}
