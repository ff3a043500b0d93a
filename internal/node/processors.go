// SPDX-License-Identifier: MIT

package node

import (
	"os"
	"runtime"
)

// leastProcessors is how many goroutines run at once on the smallest machine. A write to a socket or a sync of the queue
// holds its place until the scheduler looks for it again; on a machine of two processors two such calls are all, and taking
// a place back costs more than having another one.
const leastProcessors = 4

// useProcessors gives a small machine places to spare, unless the operator has said how many there shall be.
func useProcessors() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < leastProcessors {
		runtime.GOMAXPROCS(leastProcessors)
	}
}
