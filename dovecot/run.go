// SPDX-License-Identifier: MIT

package dovecot

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"posthouse/internal/durable"
)

// stopGrace is how long Dovecot may take to end after SIGTERM.
const stopGrace = 5 * time.Second

// Run runs Dovecot until ctx ends, and returns nil then. Its log goes to log. An end that nobody asked for is an error.
func Run(ctx context.Context, installed Installed, o Options, log io.Writer) error {
	base, err := os.MkdirTemp("", "posthouse-dovecot-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(base)
	config, err := prepare(installed.Version, o, base)
	if err != nil {
		return err
	}
	held, err := lock(ctx, o)
	if err != nil {
		return err
	}
	defer held.Close()
	err = run(ctx, installed.Program, config, o.Hostname, held, log)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("the private Dovecot ended by itself: %w", err)
}

// prepare makes the folders and the configuration, and gives the mailboxes to their owner.
func prepare(v Version, o Options, base string) (config string, err error) {
	u, err := owner()
	if err != nil {
		return "", err
	}
	group, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return "", err
	}
	text, err := render(place{Options: o, Owner: u, Group: group.Name, Root: os.Geteuid() == 0, Base: base, Version: v})
	if err != nil {
		return "", err
	}
	for _, dir := range []string{o.Dir, filepath.Join(o.Dir, "state"), o.MailRoot, filepath.Dir(o.LMTP)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	if err := os.Chmod(base, 0o755); err != nil {
		return "", err
	}
	if err := give(o.MailRoot, u); err != nil {
		return "", err
	}
	config = filepath.Join(o.Dir, "dovecot.conf")
	return config, durable.WriteFile(durable.OS, config, text, 0o644)
}

// give hands the mailboxes to their owner: what the embedded store wrote as root before, Dovecot could not read.
func give(root string, u *user.User) error {
	if os.Geteuid() != 0 {
		return nil
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	})
}

// run starts the master in the foreground and waits for its end.
func run(ctx context.Context, program, config, hostname string, held *os.File, log io.Writer) error {
	// The kernel ends Dovecot when the thread that started it ends, so that nothing is left when we are killed: this
	// goroutine keeps its thread while it waits.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, program, "-F", "-c", config)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	cmd.ExtraFiles = []*os.File{held}
	cmd.SysProcAttr = attributes()
	// Dovecot looks its own host name up when it starts, which takes 20 seconds where there is no DNS, unless it is told.
	cmd.Env = append(os.Environ(), "DOVECOT_HOSTNAME="+hostname, "DOVECOT_HOSTDOMAIN="+hostname)
	return cmd.Run()
}
