// SPDX-License-Identifier: MIT

package upstream

import (
	"time"

	"posthouse/config"
)

// Server is one line of an upstream list in the cluster file. The names are NGINX's.
type Server struct {
	Address     config.Address  `yaml:"address"`
	MaxFails    int             `yaml:"max_fails"`    // [1]; 0: failures are not counted
	FailTimeout config.Duration `yaml:"fail_timeout"` // [10s] window of the count, and time out afterwards
	Backup      bool            `yaml:"backup"`
	Weight      int             `yaml:"weight"`    // [1]
	MaxConns    int             `yaml:"max_conns"` // at the same time; 0: no limit
	Down        bool            `yaml:"down"`      // never used, kept in the list
}

// SetDefaults are NGINX's.
func (s *Server) SetDefaults() {
	s.MaxFails, s.FailTimeout, s.Weight = 1, config.Duration(10*time.Second), 1
}

// UnmarshalScalar takes the short form, the address alone.
func (s *Server) UnmarshalScalar(text string) error {
	return s.Address.UnmarshalText([]byte(text))
}

// Validate finds what cannot work.
func (s *Server) Validate(at config.Section) {
	if s.Address.IsZero() && !at.Has("address") {
		at.Errorf("a server needs an address")
	}
	if s.Address.Network == "tcp" && (s.Address.Host == "" || s.Address.Port == 0) {
		at.At("address").Errorf("an upstream server needs a host and a port")
	}
	if s.MaxFails < 0 {
		at.At("max_fails").Errorf("must not be negative")
	}
	if s.FailTimeout <= 0 {
		at.At("fail_timeout").Errorf("must be more than nothing")
	}
	if s.Weight < 1 || s.Weight > 65535 {
		at.At("weight").Errorf("must be 1 to 65535")
	}
	if s.MaxConns < 0 {
		at.At("max_conns").Errorf("must not be negative")
	}
}
