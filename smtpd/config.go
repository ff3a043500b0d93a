// SPDX-License-Identifier: MIT

package smtpd

import (
	"net/netip"
	"time"

	"posthouse/config"
	"posthouse/internal/listen"
)

// Config is what the sections of all SMTP services share; they inline it.
type Config struct {
	Hostname string          `yaml:"hostname"` // in banner, EHLO and Received
	Listen   []listen.Config `yaml:"listen"`

	ProxyAddresses []netip.Addr `yaml:"proxy_addresses"` // where clients reach the service, through NAT or a balancer: not next hops

	MessageSizeLimit config.Size `yaml:"message_size_limit"` // octets as received, CRLF as two
	QueueMinFree     config.Size `yaml:"queue_minfree"`      // of the disk below which MAIL is 452; 0: 1.5 * message_size_limit + 64 MiB
	HeaderSizeLimit  config.Size `yaml:"header_size_limit"`
	HopcountLimit    int         `yaml:"hopcount_limit"` // Received fields
	RecipientLimit   int         `yaml:"recipient_limit"`

	ForbidBareNewline string `yaml:"forbid_bare_newline"` // "reject", "normalize"; authenticated clients and mynetworks: always normalize

	ClientConnectionCountLimit int `yaml:"client_connection_count_limit"` // at once; 0: no limit. mynetworks are exempt from these four
	ClientConnectionRateLimit  int `yaml:"client_connection_rate_limit"`  // a minute
	ClientMessageRateLimit     int `yaml:"client_message_rate_limit"`     // a minute
	ClientAuthFailureLimit     int `yaml:"client_auth_failure_limit"`     // wrong passwords a minute
	MaxConnections             int `yaml:"max_connections"`               // of all clients; 0: from the limit of open files

	ErrorLimit     int `yaml:"error_limit"`      // errors in one connection before 421
	AuthErrorLimit int `yaml:"auth_error_limit"` // wrong passwords in one connection before 421

	AuthFailureDelay config.Duration `yaml:"auth_failure_delay"` // before the answer to a wrong password; grows with each, fivefold at most

	CommandTimeout config.Duration `yaml:"command_timeout"` // for one command line
	DataTimeout    config.Duration `yaml:"data_timeout"`    // between two blocks of a message
	DataRate       int             `yaml:"data_rate"`       // octets a second that a message must average beyond data_timeout
	AnswerTimeout  config.Duration `yaml:"answer_timeout"`  // for our answer to a message
}

// SetDefaults are Postfix's where it has the same limit.
func (c *Config) SetDefaults() {
	*c = Config{
		MessageSizeLimit:           50 << 20,
		HeaderSizeLimit:            1 << 20,
		HopcountLimit:              100,
		RecipientLimit:             1000,
		ForbidBareNewline:          "reject",
		ClientConnectionCountLimit: 50,
		ClientAuthFailureLimit:     60,
		ErrorLimit:                 20,
		AuthErrorLimit:             5,
		AuthFailureDelay:           config.Duration(time.Second),
		CommandTimeout:             config.Duration(5 * time.Minute),
		DataTimeout:                config.Duration(3 * time.Minute),
		DataRate:                   500,
		AnswerTimeout:              config.Duration(time.Minute),
	}
}

// maxFailureDelay keeps the longest delay, its fivefold, below what clients wait for an answer.
const maxFailureDelay = 10 * time.Second

// Validate checks the values, and that there is something to listen on.
func (c *Config) Validate(at config.Section) {
	c.validateNames(at)
	c.validateFree(at.At("queue_minfree"))
	positive(at.At("message_size_limit"), int64(c.MessageSizeLimit))
	positive(at.At("header_size_limit"), int64(c.HeaderSizeLimit))
	positive(at.At("hopcount_limit"), int64(c.HopcountLimit))
	positive(at.At("error_limit"), int64(c.ErrorLimit))
	positive(at.At("auth_error_limit"), int64(c.AuthErrorLimit))
	positive(at.At("command_timeout"), int64(c.CommandTimeout))
	positive(at.At("data_timeout"), int64(c.DataTimeout))
	positive(at.At("data_rate"), int64(c.DataRate))
	positive(at.At("answer_timeout"), int64(c.AnswerTimeout))
	if d := time.Duration(c.AuthFailureDelay); d < 0 || d > maxFailureDelay {
		at.At("auth_failure_delay").Errorf("must be from 0 to %s", maxFailureDelay)
	}
	for key, n := range map[string]int{
		"client_connection_count_limit": c.ClientConnectionCountLimit,
		"client_connection_rate_limit":  c.ClientConnectionRateLimit,
		"client_message_rate_limit":     c.ClientMessageRateLimit,
		"client_auth_failure_limit":     c.ClientAuthFailureLimit,
		"max_connections":               c.MaxConnections,
	} {
		if n < 0 {
			at.At(key).Errorf("must not be negative; 0 is no limit of its own")
		}
	}
	if c.RecipientLimit < 100 {
		at.At("recipient_limit").Errorf("must be at least 100 (RFC 5321 4.5.3.1.8), not %d", c.RecipientLimit)
	}
}

// freeReserve is what the store itself must still be able to write when mail is refused.
const freeReserve = 64 << 20

// MinFree is queue_minfree in octets. Its default has room for one message more, which Postfix demands of its own.
func (c *Config) MinFree() int64 {
	if c.QueueMinFree == 0 {
		return c.roomForOne() + freeReserve
	}
	return int64(c.QueueMinFree)
}

func (c *Config) roomForOne() int64 { return int64(c.MessageSizeLimit) * 3 / 2 }

func (c *Config) validateFree(at config.Section) {
	if c.MinFree() < c.roomForOne() {
		at.Errorf("must be at least 1.5 times message_size_limit, or the largest message may fill the disk; not %s", c.QueueMinFree)
	}
}

func (c *Config) validateNames(at config.Section) {
	var host config.Domain
	switch err := host.UnmarshalText([]byte(c.Hostname)); {
	case c.Hostname == "":
		at.Errorf("needs a hostname: what it calls itself in banner and EHLO")
	case err != nil:
		at.At("hostname").Errorf("%v", err)
	default:
		c.Hostname = string(host)
	}
	if len(c.Listen) == 0 {
		at.Errorf("needs listen: a list of addresses")
	}
	if c.ForbidBareNewline != "reject" && c.ForbidBareNewline != "normalize" {
		at.At("forbid_bare_newline").Errorf("%q is not known; it is reject or normalize", c.ForbidBareNewline)
	}
}

func positive(at config.Section, n int64) {
	if n <= 0 {
		at.Errorf("must be more than 0")
	}
}
