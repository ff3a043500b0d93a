// SPDX-License-Identifier: MIT

package mail

import (
	"errors"
	"io"
	"testing"
)

func TestHighBit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"": false, "plain\r\n": false, "caf\xc3\xa9\r\n": true} {
		if got, err := HighBit(Bytes(text)); got != want || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := HighBit(lost{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a body that cannot be read: %v", err)
	}
}

// lost is a Body that breaks off.
type lost struct{}

func (lost) Open() (io.ReadCloser, error) { return io.NopCloser(lost{}), nil }
func (lost) Size() int64                  { return 1 }
func (lost) Read([]byte) (int, error)     { return 0, io.ErrUnexpectedEOF }
