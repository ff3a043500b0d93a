// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"posthouse/dovecot"
	"posthouse/internal/daemon"
	"posthouse/internal/node"
	"posthouse/internal/starter"
)

// upFlags are what `up` is told.
type upFlags struct {
	dir      string
	portBase int
	dovecot  bool
	run      node.Options
}

func upCommand(o *options) *cobra.Command {
	var f upFlags
	c := &cobra.Command{
		Use:   "up",
		Short: "Run all services of this node in one process; without a cluster file, make a working one first",
		Args:  none,
		RunE:  func(c *cobra.Command, _ []string) error { return f.up(c.Context(), o) },
	}
	flags := c.Flags()
	flags.StringVar(&f.dir, "dir", filepath.Dir(localPlace), "folder of the cluster file that is made when there is none")
	flags.IntVar(&f.portBase, "port-base", 2000, "added to the standard ports when the folder is made")
	flags.BoolVar(&f.dovecot, "dovecot", false, "run a private Dovecot as the mailbox store, with IMAPS")
	flags.BoolVar(&f.run.Outside, "outside", false, "deliver to the hosts of the world; without it foreign mail waits in the queue")
	serviceFlags(c, &f.run)
	return c
}

// up makes what is missing and runs it. A folder that was made for a first start goes with a start that failed: it holds no
// mail, since nothing is taken before all parts have started, and the next try may want other ports.
func (f *upFlags) up(ctx context.Context, o *options) error {
	if err := f.needsDovecot(ctx); err != nil {
		return err
	}
	made, err := f.prepare(o)
	if err != nil {
		return err
	}
	ready := false
	err = f.serve(ctx, o, func(c *node.Cluster, l []node.Listener) {
		ready = true
		announce(o.std.out, c, l, made)
	})
	if made && !ready && !errors.Is(err, syscall.EWOULDBLOCK) { // by which a lock says that another `up` runs in the folder
		return errors.Join(f.elsewhere(err), os.RemoveAll(f.dir))
	}
	return started(err)
}

// serve runs the services until the end.
func (f *upFlags) serve(ctx context.Context, o *options, ready func(*node.Cluster, []node.Listener)) error {
	cluster, err := o.load()
	if err != nil {
		return err
	}
	if f.dovecot {
		if err := cluster.UseDovecot(f.portBase + imapsPort); err != nil {
			return err
		}
	}
	f.run.Log = daemon.Logger(o.std.err, "")
	f.run.Services = cluster.Self.Services
	f.run.Ready = func(l []node.Listener) { ready(cluster, l) }
	return cluster.Run(ctx, f.run)
}

// elsewhere says what to do about a port that is taken before the folder's cluster file says where to listen.
func (f *upFlags) elsewhere(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return hinted(err, "take other ports with --port-base, for instance %d; `ss -ltnp` shows who has this one", 12000+f.portBase%1000)
	}
	return started(err)
}

// imapsPort is the standard port of IMAP over TLS.
const imapsPort = 993

// needsDovecot looks for Dovecot before anything is made.
func (f *upFlags) needsDovecot(ctx context.Context) error {
	if !f.dovecot {
		return nil
	}
	_, err := dovecot.Find(ctx)
	return hinted(err, "install it (on Debian: apt-get install dovecot-imapd dovecot-lmtpd), or leave --dovecot out")
}

// prepare settles which cluster file is run: --config, or the folder's, which is made when it is not there.
func (f *upFlags) prepare(o *options) (made bool, err error) {
	if o.config != "" {
		return false, nil
	}
	var found bool
	if o.config, found = starter.Find(f.dir); found {
		return false, nil
	}
	o.config, err = starter.Make(starter.Options{Dir: f.dir, PortBase: f.portBase})
	if errors.Is(err, starter.ErrForeign) {
		return false, hinted(err, "name another folder with --dir, or a cluster file with --config")
	}
	return err == nil, err
}

// announce says where everything listens and what to try next.
func announce(w io.Writer, c *node.Cluster, listeners []node.Listener, made bool) {
	dir := filepath.Dir(c.File)
	if made {
		fmt.Fprintf(w, "made %s: an ordinary cluster file with its tables, certificates and keys\n", c.File)
	}
	for _, l := range listeners {
		fmt.Fprintf(w, "%-10s %s%s\n", l.Service, l.Address, l.Note)
	}
	if login, err := os.ReadFile(filepath.Join(dir, "credentials")); err == nil {
		user, _, _ := strings.Cut(strings.TrimSpace(string(login)), ":")
		fmt.Fprintf(w, "\nuser %s, password in %s\n", user, filepath.Join(dir, "credentials"))
		fmt.Fprintf(w, "try: posthouse send --config %s %s\n", c.File, user)
		fmt.Fprintf(w, "     posthouse queue list --config %s\n", c.File)
	}
	fmt.Fprintln(w, "ready")
}
