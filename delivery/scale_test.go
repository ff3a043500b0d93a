// SPDX-License-Identifier: MIT

package delivery

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"posthouse/config"
)

func TestBacklogOfADeadHostOnTheRealStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 150
		l, store := onDisk(t, vfs.NewMem(), always(down), func(c *Config) {
			c.Retry.Lifetime, c.Retry.DelayWarning = config.Duration(2*time.Hour), config.Duration(time.Hour)
		})
		for i := range n {
			l.send("", fmt.Sprintf("%d@dead.test", i))
		}
		l.start()
		waiting := func(want int) {
			t.Helper()
			if items, err := ask[Item](t, l.Manager, VerbList, Filter{}); err != nil || len(items) != want {
				t.Errorf("%v, %d wait, want %d", err, len(items), want)
			}
		}
		time.Sleep(2*time.Hour - time.Minute)
		waiting(n)
		time.Sleep(2 * time.Minute)
		waiting(0)
		if err := l.end(); err != nil {
			t.Error(err)
		}
		l.Queue.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}
