// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// binary is the program under test, built once; its path comes from the process that made the namespaces.
var binary = os.Getenv(inside)

// inside is set in the process that runs the tests.
const inside = "POSTHOUSE_IPNG_BINARY"

func TestMain(m *testing.M) {
	run := m.Run
	if binary == "" {
		run = enter
	}
	os.Exit(run())
}

// enter builds the binary and starts this test again in namespaces of its own. The new process is the first of its process
// namespace: when it ends, so does everything that was started in there.
func enter() int {
	code, err := inNamespaces()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ipng:", err)
		return 1
	}
	return code
}

func inNamespaces() (int, error) {
	if os.Getuid() != 0 {
		return 1, errors.New("these tests make network namespaces and need root")
	}
	dir, err := os.MkdirTemp("", "ipng-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return 1, err
	}
	program := filepath.Join(dir, "posthouse")
	if out, err := exec.Command("go", "build", "-o", program, "posthouse/cmd/posthouse").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	runtime.LockOSThread() // the child dies with the thread that made it
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"="+program, "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}

// world makes the host: its loopback with the addresses of the outside, its name, its resolv.conf. It is done once, by the
// first test that asks for the lab.
func world(dir string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := syscall.Sethostname([]byte("host.lab.test")); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n",
		"/etc/hosts":       "127.0.0.1 localhost host.lab.test\n::1 localhost\n",
	} {
		file := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
		if err := syscall.Mount(file, name, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", name, err)
		}
	}
	for _, args := range []string{
		"link set lo up",
		"addr add 127.0.8.1/32 dev lo",                                                                                                    // Postfix has to see it as an interface
		"addr add 10.0.0.0/8 dev lo", "addr add 192.0.2.0/24 dev lo", "addr add 198.51.100.0/24 dev lo", "addr add 203.0.113.0/24 dev lo", // each brings its whole network
		"route add local 2001:db8::/32 dev lo", "route add local fd00::/16 dev lo",
	} {
		if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
	}
	return os.WriteFile("/proc/sys/net/ipv6/ip_nonlocal_bind", []byte("1"), 0) // clients and servers take any of those networks
}
