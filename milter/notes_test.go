// SPDX-License-Identifier: MIT

package milter

import (
	"context"
	"errors"
	"net"
	"strings"
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
	<-s.conversations[0].opened // the client takes its time
	if v := s.Mail(t.Context(), envelope(t)); v.Action != Tempfail {
		t.Fatalf("%+v", v)
	}
	if notes := s.Notes(); len(notes) != 1 || notes[0].Answer != "failed: tempfail (filter.test:11332: refused)" {
		t.Errorf("%+v", notes)
	}
}

// However long a filter's words and code are, the line that a client reads is one of RFC 5321 4.5.3.1.5.
func TestALongReplyFitsIntoALine(t *testing.T) {
	t.Parallel()
	f := newScript(at('M', pkt('y', "550 5.999.999 "+strings.Repeat("x", 2000)+"\x00")))
	v, _ := talk(t, one(t, f), simple)
	if line := v.Reply.String(); !strings.HasPrefix(line, "550 5.999.999 xxx") || len(line)+2 > 512 {
		t.Errorf("%d octets: %s", len(line)+2, line)
	}
}
