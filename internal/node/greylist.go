// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/greylist"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/table"
)

// waitingRoom is the greylist of a service, from the first way that asks it to the end of the process.
type waitingRoom struct {
	list *greylist.List // nil: none has asked yet
	stop context.CancelFunc
	gone chan struct{}
}

// asksGreylist reports lists with check_greylist.
func asksGreylist(c *policy.Config) bool {
	for _, entries := range [][]string{
		c.RelayRestrictions, c.ClientRestrictions, c.HeloRestrictions, c.SenderRestrictions, c.RecipientRestrictions, c.DataRestrictions,
	} {
		if slices.ContainsFunc(entries, func(e string) bool { return slices.Contains(strings.Fields(strings.ToLower(e)), "check_greylist") }) {
			return true
		}
	}
	return false
}

// greylist opens the service's list, or takes the one that is open. use puts the settings in force, when the way is.
func (s *service) greylist(n *snapshot, c greylist.Config) (list *greylist.List, use func(), err error) {
	clients, err := n.openTable(c.Exceptions)
	if err != nil {
		return nil, nil, err
	}
	recipients, err := n.openTable(c.RecipientExceptions)
	if err != nil {
		return nil, nil, err
	}
	if err := s.standing.room.open(filepath.Join(s.dir, "greylist"), c, clients, recipients, s); err != nil {
		return nil, nil, err
	}
	list = s.standing.room.list
	return list, func() { list.Use(c, clients, recipients) }, nil
}

func (r *waitingRoom) open(dir string, c greylist.Config, clients, recipients *table.Table, s *service) error {
	if r.list != nil {
		return nil
	}
	list, err := greylist.Open(dir, c, greylist.Options{Clients: clients, Recipients: recipients, Log: s.log})
	if err != nil {
		return err
	}
	for state, n := range map[string]func() int{
		"waiting": func() int { return list.Stats().Pending }, "passed": func() int { return list.Stats().Passed },
		"clients": func() int { return list.Stats().Clients },
	} {
		o := prometheus.GaugeOpts{Namespace: "posthouse", Name: "greylist_entries", Help: "What the greylist knows.", ConstLabels: prometheus.Labels{"state": state}}
		if err := s.standing.registry.Register(prometheus.NewGaugeFunc(o, func() float64 { return float64(n()) })); err != nil {
			return errors.Join(err, list.Close())
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	r.list, r.stop, r.gone = list, stop, make(chan struct{})
	go func() {
		defer close(r.gone)
		if err := list.Run(ctx); err != nil {
			s.log.Error("greylist is not kept any more", "error", err)
		}
	}()
	return nil
}

// close writes what is left.
func (r *waitingRoom) close() error {
	if r.list == nil {
		return nil
	}
	r.stop()
	<-r.gone
	return r.list.Close()
}

// peek is a greylist that only looks.
type peek struct{ list *greylist.List }

func (p peek) Check(client netip.Addr, name string, from, to mail.Path) greylist.Result {
	return p.list.Peek(client, name, from, to)
}
