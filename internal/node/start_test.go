// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/internal/daemon"
	"posthouse/queue/pebbledb"
)

// TestFailedStartLetsGo: a start that fails at its last part leaves no lock, socket or door behind.
func TestFailedStartLetsGo(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := smallCluster(t)
	write(t, dir, "posthouse.yaml", strings.Replace(small, "admin: {listen: \"127.0.0.1:0\"}", "admin: {listen: \""+taken.Addr().String()+"\"}", 1))
	c, _, err := Load(filepath.Join(dir, "posthouse.yaml"), "")
	if err != nil {
		t.Fatal(err)
	}
	err = c.Run(t.Context(), Options{Services: []string{SMTPIn}, Log: slog.New(slog.DiscardHandler), Signals: make(chan os.Signal)})
	if err == nil || !strings.Contains(err.Error(), "admin") || strings.Contains(err.Error(), "closing") {
		t.Errorf("ended with %v", err)
	}
	if _, err := os.Stat(c.ControlSocket(SMTPIn)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the control socket is still there: %v", err)
	}
	unlocked(t, c)
}

// TestFailedStartOfTheQueueLetsGo: a part whose own start fails is not closed by anybody else.
func TestFailedStartOfTheQueueLetsGo(t *testing.T) {
	t.Parallel()
	c, _, err := Load(filepath.Join(smallCluster(t), "posthouse.yaml"), "")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	p := &process{Options: Options{Log: log}, registry: prometheus.NewRegistry(), daemon: &daemon.Process{Log: log}}
	if p.current, err = p.newSnapshot(c); err != nil {
		t.Fatal(err)
	}
	s := p.newService(SMTPIn, planSMTPIn)
	p.registry.MustRegister(newDepth(s.name, nil)) // its name is taken
	if err := s.openQueue(context.Background()); err == nil {
		t.Fatal("started")
	}
	unlocked(t, c)
}

func unlocked(t *testing.T, c *Cluster) {
	t.Helper()
	store, err := pebbledb.Open(c.QueueDir(SMTPIn), pebbledb.Options{Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

func TestQueueMinFree(t *testing.T) {
	t.Parallel()
	dir := smallCluster(t)
	write(t, dir, "posthouse.yaml", strings.Replace(small, "  hostname: mx.example.test\n", "  hostname: mx.example.test\n  queue_minfree: 1GiB\n", 1))
	c, _, err := Load(filepath.Join(dir, "posthouse.yaml"), "")
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]int64{SMTPIn: 1 << 30, SMTPOut: 50<<20*3/2 + 64<<20} {
		if o := c.sectionOf(service).storeOptions(nil); o.MinFree != want || o.MessageLimit != 50<<20 {
			t.Errorf("%s: %+v", service, o)
		}
	}
}
