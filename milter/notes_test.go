// SPDX-License-Identifier: MIT

package milter

import (
	"context"
	"errors"
	"net"
	"testing"
)

// A filter that cannot be asked at all is the reason of the refusal, and is named among the notes.
func TestAFilterThatIsDownIsNoted(t *testing.T) {
	t.Parallel()
	c := one(t, newScript(nil))
	c.filters[0].Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") }
	client := stranger()
	s := c.Connect(&client)
	defer s.Close()
	if v := s.Mail(t.Context(), envelope(t)); v.Action != Tempfail {
		t.Fatalf("%+v", v)
	}
	if notes := s.Notes(); len(notes) != 1 || notes[0].Answer != "failed: tempfail" {
		t.Errorf("%+v", notes)
	}
}
