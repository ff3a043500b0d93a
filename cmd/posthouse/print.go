// SPDX-License-Identifier: MIT

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// streams are the three of the process, so that a test can be the terminal.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// options are the flags that every command has.
type options struct {
	std    streams
	config string
	node   string
}

// failure is an error with what to do about it, and the exit status.
type failure struct {
	err    error
	hint   string
	status int
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usage is a wrong command line.
func usage(err error, hint string) error { return &failure{err, hint, 2} }

// hinted is a failure with advice.
func hinted(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &failure{err, fmt.Sprintf(format, args...), 1}
}

// report prints an error as the terminal rules say, and returns the exit status.
func report(w io.Writer, err error) int {
	fmt.Fprintf(w, "posthouse: error: %s\n", strings.TrimSuffix(err.Error(), "\n"))
	var f *failure
	if !errors.As(err, &f) {
		return 1
	}
	if f.hint != "" {
		fmt.Fprintf(w, "posthouse: hint: %s\n", f.hint)
	}
	return f.status
}

// printJSON prints one value a line, for programs.
func printJSON(w io.Writer, v any) error {
	return json.NewEncoder(w).Encode(v)
}
