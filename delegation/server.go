// SPDX-License-Identifier: MIT

package delegation

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"posthouse/config"
)

// The defaults of postconf(5): smtpd_policy_service_timeout and its kin.
const (
	defaultTimeout    = 100 * time.Second
	defaultRetryDelay = time.Second
	defaultTries      = 2
	defaultMaxIdle    = 300 * time.Second
	defaultMaxTTL     = 1000 * time.Second
	// DefaultAction is what a server that cannot be asked stands for, if its entry says nothing else.
	DefaultAction = "451 4.3.5 Server configuration problem"
)

// Server is one policy server, with the options of its entry. ParseServer makes one. Comparable.
type Server struct {
	Address    config.Address
	Timeout    time.Duration // for the whole question, tries included
	RetryDelay time.Duration
	Tries      int           // 1 and more
	MaxIdle    time.Duration // how long a connection waits for the next question
	MaxTTL     time.Duration // how old it gets
	Requests   int           // how many questions a connection carries; 0: any number
	Action     string        // default_action: when it cannot be asked
	Context    string        // policy_context
}

// ParseServer reads what stands behind check_policy_service: inet:host:port (inet:port is this host), unix:/path, or
// either in braces with options of its own:
//
//	{ inet:127.0.0.1:10023, timeout=10s, default_action=DUNNO }
//	{ unix:/run/policy.sock, { default_action = DEFER_IF_PERMIT try again later } }
func ParseServer(text string) (Server, error) {
	s := Server{Timeout: defaultTimeout, RetryDelay: defaultRetryDelay, Tries: defaultTries, MaxIdle: defaultMaxIdle,
		MaxTTL: defaultMaxTTL, Action: DefaultAction}
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{") {
		return s, s.address(text)
	}
	words, err := split(text)
	switch {
	case err != nil:
		return Server{}, err
	case len(words) == 0:
		return Server{}, errors.New("the braces are empty; a policy server is inet:host:port or unix:/path")
	}
	if err := s.address(words[0]); err != nil {
		return Server{}, err
	}
	for _, w := range words[1:] {
		if err := s.option(w); err != nil {
			return Server{}, err
		}
	}
	return s, nil
}

func (s *Server) address(text string) error {
	if port, ok := strings.CutPrefix(text, "inet:"); ok && port != "" && strings.Trim(port, "0123456789") == "" {
		text = "127.0.0.1:" + port
	}
	if err := s.Address.UnmarshalText([]byte(text)); err != nil {
		return fmt.Errorf("policy server: %w", err)
	}
	if s.Address.Network == "tcp" && (s.Address.Host == "" || s.Address.Port == 0) {
		return fmt.Errorf("policy server %q: needs a host and a port", text)
	}
	return nil
}

// option reads name=value, blanks around the sign allowed.
func (s *Server) option(text string) (err error) {
	name, value, ok := strings.Cut(text, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || value == "" && name != "policy_context" {
		return fmt.Errorf("policy server option %q: write it as name=value", text)
	}
	switch name {
	case "timeout":
		s.Timeout, err = positive(value)
	case "retry_delay":
		s.RetryDelay, err = positive(value)
	case "max_idle":
		s.MaxIdle, err = positive(value)
	case "max_ttl":
		s.MaxTTL, err = positive(value)
	case "try_limit":
		s.Tries, err = number(value, 1)
	case "request_limit":
		s.Requests, err = number(value, 0)
	case "default_action":
		s.Action = value
	case "policy_context":
		s.Context = value
	default:
		return fmt.Errorf("policy server option %q is not known; there are timeout, default_action, try_limit, retry_delay, "+
			"max_idle, max_ttl, request_limit, policy_context", name)
	}
	if err != nil {
		return fmt.Errorf("policy server option %s: %w", name, err)
	}
	return nil
}

// positive is a duration as Postfix writes it: a bare number is seconds.
func positive(text string) (time.Duration, error) {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		text = strconv.FormatUint(n, 10) + "s"
	}
	var d config.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil {
		return 0, err
	}
	if d <= 0 {
		return 0, fmt.Errorf("%q: must be more than nothing", text)
	}
	return time.Duration(d), nil
}

func number(text string, least int) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || int(n) < least {
		return 0, fmt.Errorf("%q: must be a number from %d", text, least)
	}
	return int(n), nil
}

// split takes the outer braces off and cuts at commas and blanks; inner braces hold a word with blanks together.
func split(text string) (words []string, err error) {
	depth, start, end := 0, -1, -1
	for i := 0; i < len(text) && end < 0; i++ {
		switch c := text[i]; {
		case c == '{':
			if depth++; depth == 2 && start < 0 {
				start = i
			}
		case c == '}':
			if depth--; depth > 0 {
				break
			}
			end = i
			fallthrough
		case depth == 1 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			if start >= 0 {
				words = append(words, unbrace(text[start:i]))
			}
			start = -1
		case start < 0:
			start = i
		}
	}
	switch {
	case end < 0:
		return nil, fmt.Errorf("policy server %q: a brace is not closed", text)
	case strings.TrimSpace(text[end+1:]) != "":
		return nil, fmt.Errorf("policy server %q: nothing may stand behind the closing brace", text)
	}
	return words, nil
}

func unbrace(word string) string {
	if strings.HasPrefix(word, "{") && strings.HasSuffix(word, "}") {
		return strings.TrimSpace(word[1 : len(word)-1])
	}
	return word
}
