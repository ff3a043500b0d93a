// SPDX-License-Identifier: MIT

package nginxconf

import "strings"

// What is said of a directive that is not carried over.
const (
	tlsAdvice      = "TLS is not ended here, it passes through: the certificates are with the servers behind"
	upstreamTLS    = "no TLS is begun here: what the client sends reaches the server as it is"
	variableAdvice = "there are no variables: one service has one group of servers"
	programAdvice  = "programs are not run"
	udpAdvice      = "only UDP needs it; UDP is not balanced"
	hashAdvice     = "no need: tables grow as they must"
	rateAdvice     = "the rate of a session is not limited; tc(8) can do it on the node"
	geoAdvice      = "countries are not known; allow and deny take files of networks"
	bufferAdvice   = "no need: buffers are the balancer's own, bounded"
)

// mainAdvice is for the top of a main file.
var mainAdvice = map[string]string{
	"http":                 "not the balancer's: it is TCP only. Leave it to NGINX",
	"mail":                 "not the balancer's: it passes mail protocols on without a word. smtp_out and Dovecot do the login",
	"events":               "no need: the balancer sizes itself by the cores and by its limit on open files",
	"user":                 "the unit says who runs the balancer (docs/install.md)",
	"worker_processes":     "no need: one process with an event loop for each core",
	"worker_rlimit_nofile": "the unit says LimitNOFILE=; a session takes 2 descriptors",
	"worker_cpu_affinity":  "the unit can say CPUAffinity=",
	"worker_priority":      "the unit can say Nice=",
	"pid":                  "no need: systemd knows the process",
	"daemon":               "no need: systemd keeps it running",
	"load_module":          "no need: nothing is loaded",
	"error_log":            "no need: logs go to the journal",
	"env":                  "the unit can say Environment=",
}

// streamAdvice is for stream and server blocks.
var streamAdvice = map[string]string{
	"access_log":          "the format is fixed: one line a session in the journal (session_log)",
	"log_format":          "the format is fixed: one line a session in the journal (session_log)",
	"open_log_file_cache": "no need: logs go to the journal",
	"error_log":           "no need: logs go to the journal",
	"resolver":            "names are asked of resolver.servers of the cluster file, again when their TTL ends",
	"resolver_timeout":    "names are asked of resolver.servers of the cluster file, again when their TTL ends",

	"map":                  variableAdvice,
	"geo":                  variableAdvice,
	"split_clients":        "shares of clients are the weights of servers",
	"map_hash_max_size":    hashAdvice,
	"map_hash_bucket_size": hashAdvice,
	"ssl_preread":          "the name that a client asks for in TLS is not read: give each name an address or a port of its own",
	"server_name":          "no need: a service is known by where it listens",
	"preread_buffer_size":  "no need: nothing is read before a server is chosen",
	"preread_timeout":      "no need: nothing is read before a server is chosen",
	"limit_conn_log_level": "no need: whom the limit refuses is logged and counted",
	"limit_conn_zone":      "no need: what is counted needs no memory set aside",
	"tcp_nodelay":          "always on",
	"proxy_half_close":     "always on: what one side still has to say reaches the other",
	"proxy_bind":           "the system chooses the source address; for the servers to see the client, let the balancer say proxy_protocol and the servers take it",
	"proxy_buffer_size":    bufferAdvice,
	"proxy_socket_rcvbuf":  "the system sizes the buffer (net.ipv4.tcp_rmem)",
	"proxy_socket_sndbuf":  "the system sizes the buffer (net.ipv4.tcp_wmem)",
	"proxy_upload_rate":    rateAdvice,
	"proxy_download_rate":  rateAdvice,
	"proxy_requests":       udpAdvice,
	"proxy_responses":      udpAdvice,
	"status_zone":          "no need: `posthouse balancer status` and the metrics have every service",
	"health_check_timeout": "a check takes at most its interval",
	"match":                "a health_check speaks a protocol (smtp, imap, pop3, sieve) or connects (tcp); it does not compare bytes of its own",
	"zone_sync":            "nodes share no state",
	"proxy_session_drop":   "sessions to a server that leaves the list go on",

	"proxy_downstream_buffer": bufferAdvice, "proxy_upstream_buffer": bufferAdvice,
	"variables_hash_max_size": hashAdvice, "variables_hash_bucket_size": hashAdvice,
	"server_names_hash_max_size": hashAdvice, "server_names_hash_bucket_size": hashAdvice,
}

// groupAdvice is for upstream blocks.
var groupAdvice = map[string]string{
	"zone":             "no need: all loops share one state",
	"resolver":         streamAdvice["resolver"],
	"resolver_timeout": streamAdvice["resolver"],
	"state":            "what is drained survives a restart; the list of servers is the cluster file's",
	"sticky":           "method: hash sends a client to its own server",
	"queue":            "a client is not kept waiting for a server to have room",
	"keepalive":        "a client has a connection of its own to its server",
	"check":            "not a directive of NGINX's own: write a health_check into the service",
}

// families are directives of one kind.
var families = []struct{ prefix, text string }{
	{"proxy_ssl", upstreamTLS},
	{"ssl_", tlsAdvice},
	{"js_", programAdvice},
	{"lua_", programAdvice},
	{"geoip", geoAdvice},
	{"zone_sync", streamAdvice["zone_sync"]},
	{"mqtt_", "bytes are passed on unread"},
	{"check", groupAdvice["check"]},
}

// advise notes a directive that is not carried over.
func (im *importer) advise(d *Directive, table map[string]string) {
	if text, ok := table[d.Name]; ok {
		im.note(d, "%s", text)
		return
	}
	for _, f := range families {
		if strings.HasPrefix(d.Name, f.prefix) {
			im.note(d, "%s", f.text)
			return
		}
	}
	if strings.Contains(d.Name, "_by_lua") {
		im.note(d, "%s", programAdvice)
		return
	}
	im.note(d, "posthouse does not know this directive: see in NGINX's documentation whether the service can do without it")
}
