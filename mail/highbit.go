// SPDX-License-Identifier: MIT

package mail

import "io"

// HighBit reports an octet above 127 in a body, which then needs 8BITMIME on its way (RFC 6152).
func HighBit(body Body) (bool, error) {
	r, err := body.Open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	b := blocks.Get().(*block)
	defer b.free()
	for {
		n, err := r.Read(b.data)
		if hasHighBit(b.data[:n]) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}
