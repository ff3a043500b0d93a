// SPDX-License-Identifier: MIT

package greylist

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// TestKilled kills a process with SIGKILL that learns and saves as fast as it can. All that it had saved is there.
func TestKilled(t *testing.T) {
	t.Parallel()
	const where = "POSTHOUSE_TEST_GREYLIST"
	if dir := os.Getenv(where); dir != "" {
		learn(t, dir)
		return
	}
	dir := t.TempDir()
	for round := range 3 {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), where+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		saved, lines := 0, bufio.NewScanner(out)
		for n := 0; n < 50 && lines.Scan(); n++ {
			if saved, err = strconv.Atoi(lines.Text()); err != nil {
				t.Error(lines.Text())
			}
		}
		child.Process.Kill()
		child.Wait()
		l := open(t, dir, defaults(), Options{})
		if got := l.Stats().Pending; saved < 50*(round+1) || got < saved {
			t.Errorf("round %d: %d were saved, %d are there", round, saved, got)
		}
		l.Close()
	}
}

// learn says after each save how many triplets are known.
func learn(t *testing.T, dir string) {
	l := open(t, dir, defaults(), Options{})
	for i := 0; ; i++ {
		try(t, l.Check, fmt.Sprintf("192.0.2.1 a@a.test u%s@u.test", strconv.FormatInt(int64(os.Getpid())<<20|int64(i), 36)))
		l.save()
		if _, err := fmt.Println(l.Stats().Pending); err != nil {
			return // nobody reads: the parent is gone
		}
	}
}
