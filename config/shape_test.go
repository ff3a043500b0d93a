// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"slices"
)

// The types here have the shape of a cluster file; the services' own are elsewhere.

type cluster struct {
	Cluster   Domain    `yaml:"cluster"`
	Nodes     []nodeRow `yaml:"nodes"`
	DataDir   Path      `yaml:"data_dir"`
	Admin     *admin    `yaml:"admin"`
	TLS       *tlsFiles `yaml:"tls"`
	Resolver  resolver  `yaml:"resolver"`
	Mynetwork []Network `yaml:"mynetworks"`
	SMTPIn    *smtpIn   `yaml:"smtp_in"`
	SMTPOut   *smtpOut  `yaml:"smtp_out"`
	Maildrop  *maildrop `yaml:"maildrop"`

	Balancer map[string]*balanced `yaml:"balancer"`
}

type nodeRow struct {
	Host     Domain   `yaml:"host"`
	Site     string   `yaml:"site"`
	Services []string `yaml:"services"`
	Override Section  `yaml:"override"`
}

func (n *nodeRow) Validate(at Section) {
	if n.Host == "" {
		at.At("host").Errorf("is needed")
	}
	for i, s := range n.Services {
		if !slices.Contains([]string{"smtp_in", "smtp_out", "maildrop", "balancer"}, s) {
			at.At("services").item(i).Errorf("no such service: %s", s)
		}
	}
}

type admin struct {
	Listen Address `yaml:"listen"`
}

type tlsFiles struct {
	Certificate Path `yaml:"certificate"`
	Key         Path `yaml:"key"`
}

type resolver struct {
	Servers []Address `yaml:"servers"`
	Timeout Duration  `yaml:"timeout"`
}

func (r *resolver) SetDefaults() { r.Timeout = 5e9 }

type door struct {
	Hostname         Domain     `yaml:"hostname"`
	Listen           []listener `yaml:"listen"`
	MessageSizeLimit Size       `yaml:"message_size_limit"`
	Delimiter        string     `yaml:"recipient_delimiter"`
	HopcountLimit    int        `yaml:"hopcount_limit"`
	DelayReject      bool       `yaml:"delay_reject"`
}

func (d *door) SetDefaults() {
	d.MessageSizeLimit, d.HopcountLimit, d.DelayReject = 10<<20, 100, true
}

func (d *door) Validate(at Section) {
	if d.Hostname == "" {
		at.At("hostname").Errorf("is needed: it is the name in the banner")
	}
	if d.HopcountLimit < 1 {
		at.At("hopcount_limit").Errorf("must be at least 1")
	}
}

type listener struct {
	Address       Address   `yaml:"address"`
	TLS           string    `yaml:"tls"`
	ProxyProtocol string    `yaml:"proxy_protocol"`
	ProxyNetworks []Network `yaml:"proxy_networks"`
}

func (l *listener) UnmarshalScalar(text string) error { return l.Address.UnmarshalText([]byte(text)) }

func (l *listener) Validate(at Section) {
	if l.ProxyProtocol == "required" && len(l.ProxyNetworks) == 0 {
		at.At("proxy_protocol").Errorf("needs proxy_networks: who may say for whom it speaks")
	}
}

type smtpIn struct {
	Door         door     `yaml:",inline"`
	Relay        []string `yaml:"relay_restrictions"`
	Recipient    []string `yaml:"recipient_restrictions"`
	Milters      []server `yaml:"milters"`
	AliasDomains words    `yaml:"virtual_alias_domains"`
	AliasMaps    words    `yaml:"virtual_alias_maps"`
	SRS          *srs     `yaml:"srs"`
}

// words is a value that may be one word or a list of them.
type words []string

func (w *words) UnmarshalScalar(text string) error { *w = words{text}; return nil }

type srs struct {
	Domain     Domain `yaml:"domain"`
	SecretFile Path   `yaml:"secret_file"`
}

type smtpOut struct {
	Door            door      `yaml:",inline"`
	AuthFile        *authFile `yaml:"auth"`
	ConnectionCount uint8     `yaml:"client_connection_count_limit"`
	ConnectionRate  int       `yaml:"client_connection_rate_limit"`
	MessageRate     int       `yaml:"client_message_rate_limit"`
	Milters         []server  `yaml:"milters"`
	DKIM            *dkim     `yaml:"dkim"`
	Delivery        struct {
		Level string `yaml:"tls_security_level"`
	} `yaml:"delivery"`
}

type authFile struct {
	PasswdFile     Path   `yaml:"passwd_file"`
	UsernameFormat string `yaml:"username_format"`
}

type dkim struct {
	SigningTable string `yaml:"signing_table"`
	KeyTable     string `yaml:"key_table"`
}

type maildrop struct {
	Door     door     `yaml:",inline"`
	Domains  setOf    `yaml:"virtual_mailbox_domains"`
	Maps     string   `yaml:"virtual_alias_maps"`
	LMTP     []server `yaml:"lmtp"`
	Fraction float64  `yaml:"fraction"`
}

// setOf is a value of one word that may be a list.
type setOf struct{ from string }

func (s setOf) MarshalText() ([]byte, error) { return []byte(s.from), nil }

func (s *setOf) UnmarshalText(text []byte) error { s.from = string(text); return nil }
func (s *setOf) UnmarshalList(items []string) error {
	if len(items) == 0 {
		return errors.New("is an empty list")
	}
	s.from = "list"
	return nil
}

type server struct {
	Address       Address  `yaml:"address"`
	MaxFails      int      `yaml:"max_fails"`
	FailTimeout   Duration `yaml:"fail_timeout"`
	Backup        bool     `yaml:"backup"`
	DefaultAction string   `yaml:"default_action"`
}

func (s *server) SetDefaults() { s.MaxFails, s.FailTimeout = 1, 10e9 }

type balanced struct {
	Listen        []listener `yaml:"listen"`
	ProxyProtocol string     `yaml:"proxy_protocol"`
	Allow         []Network  `yaml:"allow"`
	Upstream      []server   `yaml:"upstream"`
}
