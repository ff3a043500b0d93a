// SPDX-License-Identifier: MIT

package node

import (
	"reflect"
	"testing"

	"posthouse/certs"
	"posthouse/internal/listen"
)

// A listener's certificate follows a reload, so that a new path to it asks for no restart; what it listens for does.
func TestDoors(t *testing.T) {
	t.Parallel()
	old := []listen.Config{{TLS: "implicit", Certs: certs.Config{Certificate: "a.pem", Key: "a.key"}}}
	renewed := []listen.Config{{TLS: "implicit", Certs: certs.Config{Certificate: "b.pem", Key: "b.key"}}}
	if !reflect.DeepEqual(doors(old), doors(renewed)) {
		t.Error("another certificate is taken for another listener")
	}
	if old[0].Certs.Certificate != "a.pem" {
		t.Error("the configuration was changed by looking at it")
	}
	if reflect.DeepEqual(doors(old), doors([]listen.Config{{TLS: "required"}})) {
		t.Error("another kind of listener is taken for the same")
	}
}
