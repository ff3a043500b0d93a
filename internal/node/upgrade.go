// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
)

// upgrade starts this program once more, to take over, and waits until it has. It is ended if it has not in time.
func (s *succession) upgrade(ctx context.Context) error {
	if s.handed.Err() != nil {
		return errors.New("another process has taken over already")
	}
	cmd, err := s.Successor()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.Log.Info("upgrade begins", "program", cmd.Path, "pid", cmd.Process.Pid)
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	late := time.NewTimer(startTimeout)
	defer late.Stop()
	select {
	case <-s.handed.Done():
		return nil
	case err = <-exited:
		return ended(cmd, err)
	case <-late.C:
		err = fmt.Errorf("process %d has not taken over in %s", cmd.Process.Pid, startTimeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if s.handed.Err() != nil { // in the same moment
		return nil
	}
	_ = cmd.Process.Kill()
	<-exited
	return err
}

// ended is why a successor that has ended is none. What it had to say it has logged itself.
func ended(cmd *exec.Cmd, err error) error {
	if err == nil {
		return fmt.Errorf("process %d ended before it had taken over", cmd.Process.Pid)
	}
	return fmt.Errorf("process %d ended before it had taken over, and says why above: %w", cmd.Process.Pid, err)
}
