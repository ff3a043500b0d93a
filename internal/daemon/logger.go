// SPDX-License-Identifier: MIT

package daemon

import (
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"
)

// Logger writes lines for people on a terminal and JSON for programs elsewhere. Both escape control bytes, so that no
// stranger's words forge a line. service is in every line, unless it is "".
func Logger(w io.Writer, service string) *slog.Logger { return newLogger(w, service, isTerminal(w)) }

func newLogger(w io.Writer, service string, terminal bool) *slog.Logger {
	var h slog.Handler = slog.NewJSONHandler(w, nil)
	if terminal {
		h = slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: shortTime})
	}
	log := slog.New(h)
	if service != "" {
		log = log.With("service", service)
	}
	return log
}

// shortTime leaves the date out: who looks at a terminal knows it.
func shortTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.String(a.Key, a.Value.Time().Format("15:04:05.000"))
	}
	return a
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
