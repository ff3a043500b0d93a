// SPDX-License-Identifier: MIT

// Package test looks at posthouse from outside: the built binary, its files, its sockets and what it prints. Files named
// for a peer need that peer and carry the build tag interop; all others need only Go. README.md says what each shows.
package test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// binary is the program under test, built once for all tests of the package.
var binary string

func TestMain(m *testing.M) {
	if part := os.Getenv(asCrowd); part != "" {
		runCrowd(part)
		return
	}
	code, err := withBinary(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withBinary builds posthouse into a folder that is gone afterwards.
func withBinary(run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "posthouse-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // a test may run it as another user
		return 1, err
	}
	binary = filepath.Join(dir, "posthouse")
	out, err := exec.Command("go", "build", "-o", binary, "posthouse/cmd/posthouse").CombinedOutput()
	if err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return run(), nil
}

// sources looks at every source of the program. What a test looks at is what `go test` takes for its inputs, and without this
// it would give yesterday's answer for today's program. It has to be in a test: what TestMain does is not noted.
var sources = sync.OnceValue(func() error {
	return filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if name := entry.Name(); filepath.Ext(name) == ".go" || name == "go.mod" || name == "go.sum" {
			_, err = os.Stat(path)
		}
		return err
	})
})

// room is a folder for one test.
func room(t *testing.T) string {
	t.Helper()
	if err := sources(); err != nil {
		t.Fatal(err)
	}
	return maillab.Room(t, "posthouse-", "go test ./test")
}

// result is how a command ended.
type result struct {
	out, err string
	code     int
}

// posthouse runs a command to its end.
func posthouse(t *testing.T, dir string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, &out, &errs, time.Second
	watchdog := time.AfterFunc(maillab.Patience, func() { cmd.Process.Kill() })
	defer watchdog.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// start starts a command that goes on until the test ends.
func start(t *testing.T, dir string, args ...string) *maillab.Process {
	t.Helper()
	return maillab.Start(t, dir, binary, args...)
}

// writeFile puts one file below dir.
func writeFile(t *testing.T, dir, name, text string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// readFile reads one file below dir.
func readFile(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
