// SPDX-License-Identifier: MIT

package house

// row says where a package stands and which packages of the module it may import. Whoever wants more changes this
// table in plain sight, and docs/architecture.md with it.
type row struct {
	tier    tier
	imports []string
}

type tier int

const (
	ground   tier = iota + 1 // words, values, doors to the outside
	craft                    // one question or one act each
	flow                     // what combines craft
	service                  // one subcommand each
	assembly                 // what wires them
	tests                    // what only tests may import
)

// anything below assembly: the import list of the packages that wire the rest.
const belowAssembly = "tiers 1-4"

// packages is the table of tiers. Tier 1 is a chain: a row may name other rows of tier 1, without a circle. Tiers 2 to 4
// never import sideways; a package and its own subfolders count as one.
var packages = map[string]row{
	"reply":            {ground, nil},
	"resolver":         {ground, []string{"config"}},
	"config":           {ground, nil},
	"limit":            {ground, nil},
	"internal/durable": {ground, nil},
	"internal/daemon":  {ground, nil},
	"internal/admin":   {ground, nil},
	"mail":             {ground, []string{"reply"}},
	"certs":            {ground, []string{"config", "internal/durable"}},
	"table":            {ground, []string{"config"}},
	"upstream":         {ground, []string{"config", "resolver"}},
	"balancer/proxy":   {ground, nil}, // who the client is: also for the services behind a balancer
	"internal/listen":  {ground, []string{"config", "limit", "certs", "balancer/proxy"}},

	"alias":           {craft, []string{"mail", "config", "table"}},
	"srs":             {craft, []string{"mail", "config"}},
	"dkim":            {craft, []string{"mail", "config", "resolver", "table"}},
	"milter":          {craft, []string{"mail", "config", "reply", "resolver", "upstream"}},
	"dnsbl":           {craft, []string{"resolver", "config"}},
	"spf":             {craft, []string{"resolver", "mail"}},
	"dmarc":           {craft, []string{"resolver", "mail"}},
	"authres":         {craft, []string{"mail"}},
	"greylist":        {craft, []string{"mail", "config", "table", "internal/durable"}},
	"delegation":      {craft, []string{"mail", "config"}},
	"auth":            {craft, []string{"config", "limit"}},
	"dane":            {craft, []string{"resolver"}},
	"mtasts":          {craft, []string{"resolver", "internal/durable"}},
	"dsn":             {craft, []string{"mail", "reply"}},
	"smtpclient":      {craft, []string{"mail", "reply"}},
	"maildir":         {craft, []string{"mail", "reply", "internal/durable"}},
	"queue":           {craft, []string{"mail", "reply"}},
	"queue/pebbledb":  {craft, []string{"queue", "mail", "reply"}},
	"queue/queuetest": {craft, []string{"queue", "mail", "reply"}},
	"smtpd/guard":     {craft, []string{"mail", "reply"}},
	"smtpd":           {craft, []string{"mail", "reply", "config", "certs", "limit", "internal/listen", "smtpd/guard"}},
	"dovecot":         {craft, []string{"config", "internal/durable"}},

	"policy": {flow, []string{"mail", "reply", "config", "resolver", "table", "alias", "dnsbl", "spf", "dkim", "dmarc", "milter", "greylist",
		"delegation", "authres"}},
	"policy/content": {flow, []string{"policy", "mail", "reply", "config", "table"}},
	"relay": {flow, []string{"mail", "reply", "config", "resolver", "certs", "upstream", "smtpclient", "dane",
		"mtasts"}},
	"delivery": {flow, []string{"mail", "reply", "config", "table", "queue", "dsn", "internal/admin"}},

	"smtpin": {service, []string{"mail", "reply", "config", "resolver", "certs", "table", "alias", "srs", "dkim", "milter", "dnsbl",
		"spf", "dmarc", "authres", "greylist", "policy", "policy/content", "smtpd", "delivery", "internal/admin"}},
	"smtpout": {service, []string{"mail", "reply", "config", "certs", "limit", "table", "auth", "dkim", "milter", "policy",
		"policy/content", "smtpd", "delivery", "internal/admin"}},
	"maildrop": {service, []string{"mail", "reply", "config", "certs", "table", "alias", "upstream", "policy", "smtpd",
		"delivery", "internal/admin"}},
	"balancer": {service, []string{"config", "resolver", "table", "limit", "upstream", "internal/listen", "internal/admin", "internal/durable",
		"balancer/health", "balancer/loop", "balancer/proxy"}},
	"balancer/loop":      {service, nil}, // beside it: how bytes move
	"balancer/health":    {service, []string{"config", "balancer/proxy"}},
	"balancer/handover":  {service, []string{"balancer", "balancer/loop"}},
	"balancer/nginxconf": {service, []string{"config"}}, // an NGINX's configuration as a section of ours
	"dkimmilter":         {service, []string{"mail", "config", "dkim", "milter"}},
	"srstable":           {service, []string{"mail", "config", "srs"}},

	"internal/node": {assembly, []string{belowAssembly}},
	"internal/starter": {assembly, []string{"config", "resolver", "certs", "internal/durable", "srs", "dkim", "auth",
		"dovecot"}},
	"cmd/posthouse": {assembly, []string{belowAssembly, "internal/node", "internal/starter"}},

	"internal/maillab": {tests, []string{"reply", "resolver", "config", "limit", "internal/durable", "internal/daemon",
		"internal/admin", "mail", "certs", "table", "upstream", "internal/listen"}},
	"internal/house":     {tests, nil},
	"test":               {tests, []string{"internal/maillab", "config"}},
	"test/bench/outside": {tests, []string{"dkim", "mail"}},
	"test/ipng":          {tests, []string{"internal/maillab"}},
}

// modules says where a third-party module may appear outside tests. A module that is not here is a decision nobody has
// taken yet.
var modules = map[string][]string{
	"github.com/emersion/go-smtp":         {"smtpd", "smtpclient"},
	"github.com/emersion/go-sasl":         {"smtpd", "smtpclient"},
	"github.com/emersion/go-milter":       {"milter"},
	"github.com/emersion/go-msgauth":      {"dkim", "dmarc"},
	"github.com/emersion/go-message":      {"dsn", "mail"},
	"github.com/cockroachdb/pebble/v2":    {"queue/pebbledb", "queue/queuetest"},
	"github.com/miekg/dns":                {"resolver", "dane", "spf", "dmarc"},
	"github.com/spf13/cobra":              {"cmd/posthouse"},
	"github.com/goccy/go-yaml":            {"config"},
	"github.com/pires/go-proxyproto":      {"balancer/proxy"},
	"github.com/prometheus/client_golang": {"internal/admin", "dnsbl", "smtpd", "delivery", "smtpin", "smtpout", "maildrop", "balancer", "internal/node"},
	"github.com/GehirnInc/crypt":          {"auth"},
	"github.com/klauspost/compress":       {"queue/pebbledb"},
	"golang.org/x/crypto":                 {"auth", "dkim"},
	"golang.org/x/net":                    {"mail", "config", "dmarc", "resolver"},
	"golang.org/x/sync":                   {"auth", "delivery", "relay", "smtpin", "internal/daemon", "internal/node", "resolver"},
	"golang.org/x/sys":                    {"balancer/loop", "internal/listen", "internal/daemon", "internal/durable", "queue/pebbledb"},
	"golang.org/x/term":                   {"internal/daemon", "cmd/posthouse"},
	"golang.org/x/text":                   {"mail"},
}

// testModules may appear in _test.go files alone.
var testModules = []string{
	"github.com/foxcpp/go-mockdns",
	"github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal",
}
