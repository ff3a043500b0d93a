// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"posthouse/internal/admin"
)

// TestCommandsOverTheControlSocket is the way of `posthouse queue`, from Call to the queue and back.
func TestCommandsOverTheControlSocket(t *testing.T) {
	t.Parallel()
	l, _ := shelf(t)
	socket := filepath.Join(t.TempDir(), "control.sock")
	control, err := admin.ListenControl(socket, l.Control(), l.Log)
	if err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- control.Serve(stop, stop) }()

	var items []Item
	err = admin.Call(t.Context(), socket, VerbList, Filter{State: "held"}, func(m json.RawMessage) error {
		var it Item
		err := json.Unmarshal(m, &it)
		items = append(items, it)
		return err
	})
	if err != nil || len(items) != 1 || items[0].Recipient != "held@there.test" {
		t.Errorf("%v, %+v", err, items)
	}
	if err := admin.Call(t.Context(), socket, VerbDelete, Filter{}, nil); err == nil {
		t.Error("deleted without being told what")
	}
	var acted Acted
	err = admin.Call(t.Context(), socket, VerbRelease, Filter{All: true}, func(m json.RawMessage) error { return json.Unmarshal(m, &acted) })
	if err != nil || acted.Now != 1 {
		t.Errorf("%v, %+v", err, acted)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
