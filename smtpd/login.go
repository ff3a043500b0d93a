// SPDX-License-Identifier: MIT

package smtpd

import "github.com/emersion/go-sasl"

// loginServer is the LOGIN mechanism (draft-murchison-sasl-login), which go-sasl lacks on this side and Outlook has not
// unlearned: two prompts, user and password; the user may come with the command.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

// Next is one step of the exchange; nil is "no initial response".
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if l.step == 0 && response == nil {
		l.step = 1
		return []byte("Username:"), false, nil
	}
	switch l.step {
	case 0, 1:
		l.user, l.step = string(response), 2
		return []byte("Password:"), false, nil
	case 2:
		l.step = 3
		return nil, true, l.check(l.user, string(response))
	}
	return nil, false, sasl.ErrUnexpectedClientResponse
}
