// SPDX-License-Identifier: MIT

//go:build interop

package nginxconf_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"posthouse/balancer/nginxconf"
)

// nginxSays is what `nginx -t` has against a file: "" if nothing, else FILE:LINE: text.
func nginxSays(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "/usr/sbin/nginx", "-t", "-q", "-p", dir, "-e", "stderr", "-g", "pid "+dir+"/pid;", "-c", file).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		_, text, found := strings.Cut(strings.TrimSpace(line), "[emerg] ")
		if text, place, placed := cutLast(text, " in /"); found && placed {
			return "/" + place + ": " + text[strings.Index(text, ": ")+2:]
		} else if found {
			return text
		}
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return ""
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// module makes the stream module known.
const module = "load_module /usr/lib/nginx/modules/ngx_stream_module.so; "

// lexical are complaints of NGINX's reader of words, which we have to share.
var lexical = regexp.MustCompile(`: (unexpected |too long parameter)`)

// sameVerdict wants us to refuse nothing that NGINX accepts, and what it cannot read for the same reason in the same line.
func sameVerdict(t *testing.T, file string) {
	t.Helper()
	nginx := nginxSays(t, file)
	_, err := nginxconf.Import(file, nginxconf.Options{})
	ours := ""
	if err != nil && !errors.Is(err, nginxconf.ErrNothing) {
		ours = err.Error()
	}
	switch {
	case nginx == "" && ours != "":
		t.Errorf("NGINX accepts it, we say %s", ours)
	case lexical.MatchString(nginx) && ours != strings.ReplaceAll(nginx, "\t", "?"):
		t.Errorf("NGINX says %s\nwe say     %s", nginx, ours)
	case nginx != "" && nginx == ours:
		t.Logf("both: %s", nginx)
	case nginx != "":
		t.Logf("NGINX says %s\nwe say     %q", nginx, ours)
	}
}

// What stands in a stream block, before nginx -t and before us. log_format takes any words.
func TestAgainstNGINXsParser(t *testing.T) {
	t.Parallel()
	const server = "server { listen 127.0.0.1:18099; proxy_pass 127.0.0.1:1; "
	for i, text := range []string{
		// words
		"log_format a b c;", "log_format a 'b c' \"d;{}\";", `log_format a "b\"c" 'd\'e' f\;g h\ i;`, "log_format a b#c # d;\n;", `log_format a "x\ty\n" \\ \q "";`,
		"log_format a x}y b\"c\"d;", "log_format a ${remote_addr}b $remote_addr;", "log_format a b${remote_addr}{;", "log_format a 'b'\n\n\t\r\n'c';",
		"log_format a \"b\nc\nd\";", "log_format a b\\\nc;", "log_format a b'c;", "log_format a 'b''c';", "log_format a 'b'c;", "log_format a 'b\";\n", "log_format a \"b;\n}",
		"log_format a 'b')c;", "log_format a b;;", ";", "{", "{}", "}", "}}", "log_format a b", "log_format a b }", "log_format a b {", "log_format a { b; }", "'log_format' \"a\" b;",
		"log_format a \xff\xfe;", "log_format a b\x00c;", "log_format a b\\", "\\;", "log_format a \\", "log_format a b#;\n;", "#", "# {\n#}", "log_format\ta\tb\t;", "log_format a 'b' ;",
		"log_format a 'b'#c\n;", "log_format a 'b'{", "log_format a $;", "log_format a $ {;", "log_format a \"$\"{", "log_format a ${", "log_format a $${remote_addr};", "log_format a \\${;",
		"log_format a " + strings.Repeat("x", 4000) + ";", "log_format a " + strings.Repeat("x", 4095) + ";", "log_format a " + strings.Repeat("x", 4096) + ";",
		"log_format a '" + strings.Repeat("x", 4094) + "';", "log_format a '" + strings.Repeat("x", 4095) + "';", "log_format a '" + strings.Repeat("x", 4096) + "';",
		"\nlog_format a \"" + strings.Repeat("x\n", 4096) + "\";", "#" + strings.Repeat("x", 4094) + "\n", "#" + strings.Repeat("x", 4095) + "\n", "#" + strings.Repeat("x", 5000) + "\n",
		"map $remote_addr $v { ~^a{2}$ b; }", `map $remote_addr $v { "~^a{2}$" b; "}" c; }`,
		// directives
		server + "}", server + "proxy_timeout 1h30m; }", server + "proxy_timeout '1h 30m'; }", server + "proxy_timeout 10 ; }", server + "proxy_timeout 1y; }", server + "proxy_timeout 1m1h; }",
		server + "proxy_timeout 5ms; }", server + "proxy_timeout 1s500ms; }", server + "proxy_timeout '10 20'; }", server + "proxy_timeout 1h30; }", server + "proxy_timeout 1.5s; }", server + "proxy_timeout 1s 2s; }",
		server + "proxy_next_upstream ON; }", server + "proxy_next_upstream yes; }", server + "proxy_protocol on; }", server + "proxy_next_upstream_tries 3; proxy_next_upstream_timeout 5s; }",
		server + "allow 10.0.0.1/8; allow 2001:db8::/32; allow unix:; deny all; }", server + "deny 10.0.0.0/33; }", server + "deny nonsense; }", server + "allow 010.0.0.1; allow ::ffff:10.0.0.1; }",
		server + "listen [::1]:18099 ipv6only=on so_keepalive=on backlog=5; }", server + "listen 127.0.0.1:18100-18102 so_keepalive=10m::5; }", server + "listen 127.0.0.1:18103 so_keepalive=::; }",
		server + "listen 127.0.0.1:18104 udp; }", server + "listen 127.0.0.1; }", server + "listen 127.0.0.1:18106 proxy_protocol deferred bind; set_real_ip_from 10.0.0.0/8; set_real_ip_from unix:; }",
		server + "listen 127.0.0.1:9-8; }", server + "listen 127.0.0.1:70000; }", server + "listen 127.0.0.1:1x; }", server + "listen 127.0.0.1:18107 nonsense; }", server + "listen; }", server + "proxy_pass 127.0.0.1:2; }",
		server + "access_log off; tcp_nodelay off; proxy_half_close on; proxy_buffer_size 4k; proxy_upload_rate 1m; proxy_bind off; preread_timeout 1s; ssl_preread on; }",
		"server { proxy_pass 127.0.0.1:1; }", "server { listen 127.0.0.1:18099; }", "server 1 { }", "server;",
		"upstream a { server 127.0.0.1:1 weight=2 max_conns=3 max_fails=0 fail_timeout=1m down; server 127.0.0.1:2; } " + server + "}", "upstream a { }", "upstream { server 127.0.0.1:1; }", "upstream a;",
		"upstream a { server 127.0.0.1; }", "upstream a { server 127.0.0.1:1 weight=0; }", "upstream a { server 127.0.0.1:1 weight=-1; }", "upstream a { server 127.0.0.1:1 fail_timeout=5ms; }",
		"upstream a { server 127.0.0.1:1 fail_timeout=1y2M; }", "upstream a { server 127.0.0.1:1 what; }", "upstream a { hash $remote_addr; server 127.0.0.1:1 backup; }", "upstream a { random; server 127.0.0.1:1 backup; }",
		"upstream a { least_conn; server 127.0.0.1:1; server 127.0.0.1:1 backup; }", "upstream a { server 127.0.0.1:1; server 127.0.0.1:1 backup; hash $remote_addr consistent; }", "upstream a { server unix:/x; server unix:y; }",
		"upstream a { server unix:; }", "upstream a { server unix:/" + strings.Repeat("x", 107) + "; }", "upstream a { server [::1]:1; server [::1:1; }", "upstream a { server 127.0.0.1:1/; }", "upstream a { server 127.0.0.1:1; } upstream a { server 127.0.0.1:1; }",
		"upstream a { zone a 64k; random two least_conn; server 127.0.0.1:1; }",
		"limit_conn_zone $binary_remote_addr zone=a:1m; " + server + "limit_conn a 10; limit_conn_dry_run on; }", "limit_conn_zone $binary_remote_addr zone=a:1m; " + server + "limit_conn a 0; }",
		"limit_conn_zone $binary_remote_addr a; " + server + "}",
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "nginx.conf")
			if err := os.WriteFile(file, []byte(module+"events {} stream {\n"+text+"\n}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if t.Failed() {
					t.Logf("%.300q", text)
				}
			}()
			sameVerdict(t, file)
		})
	}
}

// The configurations of testdata that an NGINX of this version can run are accepted by it.
func TestTestdataIsNGINXs(t *testing.T) {
	t.Parallel()
	names := regexp.MustCompile(`[a-z0-9.-]+\.example\.(net|org):`)
	for name, wrap := range map[string]string{"submission/smtp-out.conf": module + "events {} stream { %s }", "mailbox/imap.conf": module + "events {} stream { %s }",
		"mailfront/streams.conf": module + "events {} stream { %s }", "apiserver/nginx.conf": "%s", "dns/nginx.conf": module + "events {} %s", "limits/nginx.conf": module + "events {} %s"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		text = names.ReplaceAll(text, []byte("127.0.0.1:"))
		whole := strings.NewReplacer("user  www;", "", "load_module modules/", "load_module /usr/lib/nginx/modules/", "pid        /var/run/nginx.pid;", "", "server_name inbox.example.org;", "", "/var/log/nginx/", "/tmp/").
			Replace(fmt.Sprintf(wrap, text))
		file := filepath.Join(t.TempDir(), "nginx.conf")
		if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
			t.Fatal(err)
		}
		if says := nginxSays(t, file); says != "" {
			t.Errorf("%s: %s", name, says)
		}
	}
}
