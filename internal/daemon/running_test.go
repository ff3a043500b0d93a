// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"strconv"
	"testing"
)

// Parts that end at once do so while others are being started: the race detector watches what they share.
func TestPartsThatEndAtOnce(t *testing.T) {
	t.Parallel()
	var parts []Part
	for i := range 200 {
		parts = append(parts, Part{Name: strconv.Itoa(i), Run: func(context.Context, context.Context) error { return nil }})
	}
	r := newRunning(parts)
	<-r.done
	if names := r.names(); names != "" {
		t.Errorf("still running: %s", names)
	}
}
