// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"posthouse/internal/node"
)

// balancerCommand runs the service, and has the questions to a running one below it.
func balancerCommand(o *options) *cobra.Command {
	c := serviceCommand(o, node.Balancer, "Run the balancer: TCP from clients to the services, primary and backup")
	c.AddCommand(balancerStatus(o), balancerDrain(o, "drain", "Send no new connections to a server; those it has go on"),
		balancerDrain(o, "undrain", "Take a drained server back"))
	return c
}

// takeOver is the flag by which a process takes over from the running one.
const takeOver = "take-over"

// successor is this program as it lies on disk by now, with the same arguments, to take over from this process.
func successor(o *options) func() (*exec.Cmd, error) {
	return func() (*exec.Cmd, error) {
		program, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("the program's own file: %w", err)
		}
		args := slices.Clone(os.Args[1:])
		if !slices.Contains(args, "--"+takeOver) {
			args = append(args, "--"+takeOver)
		}
		c := exec.Command(program, args...)
		c.Env = slices.DeleteFunc(os.Environ(), ofThisProcess)
		c.Stdout, c.Stderr = o.std.out, o.std.err
		return c, nil
	}
}

// ofThisProcess reports a variable by which the service manager speaks to this process alone: the sockets are handed over in
// another way, and the watchdog wants to hear of the new process what it heard of this one.
func ofThisProcess(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return strings.HasPrefix(name, "LISTEN_") || name == "WATCHDOG_PID"
}
