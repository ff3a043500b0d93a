// SPDX-License-Identifier: MIT

package health

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"posthouse/balancer/proxy"
	"posthouse/certs"
	"posthouse/config"
	"posthouse/internal/maillab"
)

const ours = "balancer.posthouse.test"

// step is one turn of a server: a line that it wants, if any, and what it says then. "TLS" goes on in TLS, "HOLD" says nothing more.
type step struct{ want, say string }

// dialogues are what servers in good health say.
var dialogues = map[string][]step{
	"smtp":  {{"", "220-mail.test\r\n220 ESMTP\r\n"}, {"EHLO " + ours, "250-mail.test\r\n250-STARTTLS\r\n250 SIZE 1000\r\n"}, {"QUIT", "221 Bye\r\n"}},
	"lmtp":  {{"", "220 mail.test LMTP\r\n"}, {"LHLO " + ours, "250\r\n"}, {"QUIT", "221 Bye\r\n"}},
	"imap":  {{"", "* OK [CAPABILITY IMAP4rev1] ready\r\n"}, {"a CAPABILITY", "* CAPABILITY IMAP4rev1 starttls\r\na OK done\r\n"}, {"a LOGOUT", "* BYE\r\na OK\r\n"}},
	"pop3":  {{"", "+OK ready\r\n"}, {"CAPA", "+OK\r\nTOP\r\nSTLS\r\n.\r\n"}, {"QUIT", "+OK bye\r\n"}},
	"sieve": {{"", "\"IMPLEMENTATION\" \"Dovecot\"\r\n\"STARTTLS\"\r\nOK \"ready\"\r\n"}, {"LOGOUT", "OK\r\n"}},
}

// secured are those with STARTTLS.
func secured(protocol string) []step {
	upgrade := map[string]step{"smtp": {"STARTTLS", "220 go\r\n"}, "imap": {"a STARTTLS", "a OK go\r\n"}, "pop3": {"STLS", "+OK go\r\n"}, "sieve": {"STARTTLS", "OK \"go\"\r\n"}}[protocol]
	d := dialogues[protocol]
	again, bye := d[len(d)-2:len(d)-1], d[len(d)-1]
	before := slices.Concat(d[:len(d)-1], []step{upgrade, {"", "TLS"}})
	return slices.Concat(before, again, []step{bye})
}

// play is a server that plays its steps with one client and closes. header is what has to come before all.
func play(t *testing.T, c *tls.Config, header string, steps []step, pieces int) netip.AddrPort {
	t.Helper()
	l := maillab.Listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return // the test has ended
		}
		defer func() { conn.Close() }()
		conn.SetDeadline(time.Now().Add(maillab.Patience))
		got := make([]byte, len(header))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != header {
			t.Errorf("before all came %q, %v", got, err)
		}
		r := bufio.NewReader(conn)
		for _, s := range steps {
			if s.want != "" {
				if line, err := r.ReadString('\n'); err != nil || line != s.want+"\r\n" {
					if err == nil {
						t.Errorf("got %q instead of %q", line, s.want)
					}
					return
				}
			}
			switch s.say {
			case "TLS":
				conn = tls.Server(conn, c)
				r = bufio.NewReader(conn)
			case "HOLD":
				io.Copy(io.Discard, conn)
			default:
				write(conn, s.say, pieces)
			}
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// write sends text in pieces of so many octets; 0: at once.
func write(conn net.Conn, text string, size int) {
	for piece := range slices.Chunk([]byte(text), max(size, 1)) {
		if size == 0 {
			piece = []byte(text)
		}
		if _, err := conn.Write(piece); err != nil || size == 0 {
			return
		}
	}
}

// checker checks with a time-out that no test waits for, unless it says another.
func checker(t *testing.T, c Config) *Checker {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = config.Duration(maillab.Patience)
	}
	k, err := New(c, Options{Hello: ours})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestGood(t *testing.T) {
	t.Parallel()
	for protocol, steps := range dialogues {
		for _, pieces := range []int{0, 1} {
			at := play(t, nil, "", steps, pieces)
			if err := checker(t, Config{Protocol: protocol}).Check(t.Context(), Target{Addr: at}); err != nil {
				t.Errorf("%s: %v", protocol, err)
			}
		}
	}
	at := play(t, nil, "", []step{{"", "* PREAUTH hello\n"}, {"a CAPABILITY", "* CAPABILITY IMAP4rev1\na ok\n"}, {"a LOGOUT", ""}}, 0)
	if err := checker(t, Config{Protocol: "imap"}).Check(t.Context(), Target{Addr: at}); err != nil {
		t.Error(err)
	}
	at = play(t, nil, "", []step{{"", "HOLD"}}, 0)
	if err := checker(t, Config{Protocol: "tcp"}).Check(t.Context(), Target{Addr: at}); err != nil {
		t.Error(err)
	}
}

// TestAnnounced: a server behind the PROXY protocol hears first that the connection is our own: by LOCAL, or by the connection's ends.
func TestAnnounced(t *testing.T) {
	t.Parallel()
	at := play(t, nil, "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", dialogues["smtp"], 0)
	if err := checker(t, Config{Protocol: "smtp"}).Check(t.Context(), Target{Addr: at, Proxy: 2}); err != nil {
		t.Error(err)
	}
	l := maillab.Listen(t)
	go checker(t, Config{Protocol: "smtp"}).Check(t.Context(), Target{Addr: end(l.Addr()), Proxy: 1})
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	h, _, err := proxy.Read(conn)
	if err != nil || h.Source != end(conn.RemoteAddr()) || h.Destination != end(conn.LocalAddr()) {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "+OK\r\n")
		bufio.NewReader(conn).ReadString('\n')
		io.WriteString(conn, "+OK\r\n.\r\n")
	}()
	if err := checker(t, Config{Protocol: "pop3"}).Check(t.Context(), Target{Path: path}); err != nil {
		t.Error(err)
	}
	if err := checker(t, Config{Protocol: "tcp", TLS: "implicit"}).Check(t.Context(), Target{Path: path}); err == nil || !strings.Contains(err.Error(), "tls_name") {
		t.Errorf("got %v", err)
	}
	gone := Target{Path: path + "x"}
	if err := checker(t, Config{Protocol: "tcp"}).Check(t.Context(), gone); err == nil || !strings.Contains(err.Error(), "connecting: ") || gone.String() != "unix:"+path+"x" {
		t.Errorf("got %v", err)
	}
}

// TestCloses: a server that closes at any step before the goodbye is not well.
func TestCloses(t *testing.T) {
	t.Parallel()
	for protocol, steps := range dialogues {
		for n := range len(steps) {
			at := play(t, nil, "", append(slices.Clone(steps[:n]), step{steps[n].want, ""}), 0)
			err := checker(t, Config{Protocol: protocol}).Check(t.Context(), Target{Addr: at})
			if bye := n == len(steps)-1; (err == nil) != bye {
				t.Errorf("%s closed at step %d: %v", protocol, n, err)
			}
		}
	}
}

func TestBad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		protocol, want string
		steps          []step
	}{
		{"smtp", `greeting: expected 220, got "421 4.3.2 too busy"`, []step{{"", "421 4.3.2 too busy\r\n"}}},
		{"smtp", `greeting: expected 220, got "554-no"`, []step{{"", "554-no\r\n554 service\r\n"}}},
		{"smtp", `greeting: expected 220, got "SSH-2.0-OpenSSH"`, []step{{"", "SSH-2.0-OpenSSH\r\n"}}},
		{"smtp", `greeting: expected 220, got "\x00\x01\xff"`, []step{{"", "\x00\x01\xff\n"}}},
		{"smtp", `expected 220, got "221 other"`, []step{{"", "220-mail\r\n221 other\r\n"}}},
		{"smtp", `expected 220, got "220x"`, []step{{"", "220x\r\n"}}},
		{"smtp", `answer to EHLO ` + ours + `: expected 250, got "502 what"`, []step{dialogues["smtp"][0], {"EHLO " + ours, "502 what\r\n"}}},
		{"smtp", `greeting: the server closed the connection behind "220 ha"`, []step{{"", "220 ha"}}},
		{"smtp", `greeting: the server closed the connection`, []step{{"", ""}}},
		{"smtp", `a line of over 4096 octets: "xxx`, []step{{"", strings.Repeat("x", 200_000)}}},
		{"smtp", `an answer of over 256 lines`, []step{{"", strings.Repeat("220-x\r\n", 300)}}},
		{"smtp", `the server talks without end`, []step{{"", strings.Repeat("220-"+strings.Repeat("x", 1000)+"\r\n", 200)}}},
		{"lmtp", `answer to LHLO ` + ours + `: expected 250, got "421 x"`, []step{dialogues["lmtp"][0], {"LHLO " + ours, "421 x\r\n"}}},
		{"imap", `greeting: expected "* OK" or "* PREAUTH", got "* BYE full"`, []step{{"", "* BYE full\r\n"}}},
		{"imap", `expected "* OK" or "* PREAUTH", got "* OKAY"`, []step{{"", "* OKAY\r\n"}}},
		{"imap", `answer to a CAPABILITY: expected "a OK", got "a NO x"`, []step{dialogues["imap"][0], {"a CAPABILITY", "* CAPABILITY IMAP4rev1\r\na NO x\r\n"}}},
		{"imap", `expected "a OK", got "* BYE x"`, []step{dialogues["imap"][0], {"a CAPABILITY", "* BYE x\r\n"}}},
		{"pop3", `greeting: expected "+OK", got "-ERR [SYS/TEMP] x"`, []step{{"", "-ERR [SYS/TEMP] x\r\n"}}},
		{"pop3", `answer to CAPA: expected "+OK", got "-ERR what"`, []step{dialogues["pop3"][0], {"CAPA", "-ERR what\r\n"}}},
		{"sieve", `greeting: expected capabilities and "OK", got "BYE \"full\""`, []step{{"", "BYE \"full\"\r\n"}}},
		{"sieve", `expected capabilities and "OK", got ""`, []step{{"", "\r\n"}}},
		{"sieve", `expected capabilities and "OK", got "NO"`, []step{{"", "\"SIEVE\" \"\"\r\nNO\r\n"}}},
	} {
		at := play(t, nil, "", c.steps, 0)
		err := checker(t, Config{Protocol: c.protocol}).Check(t.Context(), Target{Addr: at})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.protocol, err, c.want)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: an error of %d octets", c.protocol, len(err.Error()))
		}
	}
}

// TestSilent: silence at any step ends with the time-out, and what came is said.
func TestSilent(t *testing.T) {
	t.Parallel()
	plain := Config{Protocol: "smtp"}
	secure := Config{Protocol: "tcp", TLS: "implicit", TLSName: "mail.test"}
	hold := step{"", "HOLD"}
	for want, c := range map[string]struct {
		config Config
		steps  []step
	}{
		"greeting: nothing came in time (timeout: 1s)":              {plain, []step{hold}},
		`greeting: in time only "220 a" came`:                       {plain, []step{{"", "220 a"}, hold}},
		"answer to EHLO " + ours + ": nothing came in time":         {plain, []step{dialogues["smtp"][0], hold}},
		`answer to EHLO ` + ours + `: in time only "250-half" came`: {plain, []step{dialogues["smtp"][0], {"EHLO " + ours, "250-half"}, hold}},
		"TLS for mail.test: ":                                       {secure, []step{hold}},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			at := play(t, nil, "", c.steps, 0)
			c.config.Timeout = config.Duration(time.Second)
			if err := checker(t, c.config).Check(t.Context(), Target{Addr: at}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

// TestTrickle: octets that come just fast enough for each read do not make a check last.
func TestTrickle(t *testing.T) {
	t.Parallel()
	l := maillab.Listen(t)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			if _, err := io.WriteString(conn, "2"); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond) // a peer that is slow on purpose
		}
	}()
	k := checker(t, Config{Protocol: "smtp", Timeout: config.Duration(time.Second)})
	if err := k.Check(t.Context(), Target{Addr: l.Addr().(*net.TCPAddr).AddrPort()}); err == nil || !strings.Contains(err.Error(), `in time only "22`) {
		t.Errorf("%v", err)
	}
}

// TestStopped: a check ends with its context.
func TestStopped(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	at := play(t, nil, "", []step{{"", "HOLD"}}, 0)
	time.AfterFunc(20*time.Millisecond, stop)
	if err := checker(t, Config{Protocol: "smtp"}).Check(ctx, Target{Addr: at}); err == nil {
		t.Error("it went well")
	}
}

// identity is a certificate for mail.test and the file of the CA that signed it.
func identity(t *testing.T) (c *tls.Config, ca config.Path) {
	t.Helper()
	authority, err := certs.MakeCA("test")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue("mail.test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, authority.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}, config.Path(file)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	c, ca := identity(t)
	for _, protocol := range []string{"smtp", "imap", "pop3", "sieve"} {
		at := play(t, c, "", secured(protocol), 0)
		if err := checker(t, Config{Protocol: protocol, TLS: "starttls", TLSCAFile: ca}).Check(t.Context(), Target{Addr: at, Name: "mail.test"}); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
	}
	for protocol, steps := range dialogues {
		at := play(t, c, "", append([]step{{"", "TLS"}}, steps...), 1)
		if err := checker(t, Config{Protocol: protocol, TLS: "implicit", TLSCAFile: ca, TLSName: "mail.test"}).Check(t.Context(), Target{Addr: at, Name: "other.test"}); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
	}
	at := play(t, c, "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", []step{{"", "TLS"}, {"", "x"}, {"", "HOLD"}}, 0)
	if err := checker(t, Config{Protocol: "tcp", TLS: "implicit", TLSCAFile: ca}).Check(t.Context(), Target{Addr: at, Name: "mail.test", Proxy: 2}); err != nil {
		t.Error(err)
	}
}

// TestClosesInTLS is TestCloses for the way through STARTTLS.
func TestClosesInTLS(t *testing.T) {
	t.Parallel()
	c, ca := identity(t)
	for _, protocol := range []string{"smtp", "imap", "pop3", "sieve"} {
		steps := secured(protocol)
		for n := range len(steps) {
			at := play(t, c, "", append(slices.Clone(steps[:n]), step{steps[n].want, ""}), 0)
			err := checker(t, Config{Protocol: protocol, TLS: "starttls", TLSCAFile: ca}).Check(t.Context(), Target{Addr: at, Name: "mail.test"})
			if bye := n == len(steps)-1; (err == nil) != bye {
				t.Errorf("%s closed at step %d: %v", protocol, n, err)
			}
		}
	}
}

func TestBadTLS(t *testing.T) {
	t.Parallel()
	c, ca := identity(t)
	_, stranger := identity(t)
	old := expired(t)
	implicit := Config{Protocol: "smtp", TLS: "implicit", TLSCAFile: ca}
	start := Config{Protocol: "smtp", TLS: "starttls", TLSCAFile: ca}
	smtps := append([]step{{"", "TLS"}}, dialogues["smtp"]...)
	for _, x := range []struct {
		config Config
		server *tls.Config
		name   string
		steps  []step
		want   string
	}{
		{implicit, c, "other.test", smtps, "TLS for other.test: tls: failed to verify certificate: x509: certificate is valid for mail.test, not other.test"},
		{Config{Protocol: "smtp", TLS: "implicit", TLSCAFile: stranger}, c, "mail.test", smtps, "certificate signed by unknown authority"},
		{Config{Protocol: "smtp", TLS: "implicit"}, c, "mail.test", smtps, "certificate signed by unknown authority"},
		{Config{Protocol: "smtp", TLS: "implicit", TLSCAFile: old.ca}, old.server, "mail.test", smtps, "certificate has expired"},
		{implicit, c, "mail.test", []step{dialogues["smtp"][0], {"", "HOLD"}}, `the server does not speak TLS there; it began with "220-m"`},
		{implicit, c, "", smtps, "tls_name"},
		{start, c, "mail.test", dialogues["lmtp"], "LHLO"},
		{start, c, "mail.test", []step{dialogues["smtp"][0], {"EHLO " + ours, "250 SIZE\r\n"}}, "does not offer STARTTLS"},
		{start, c, "mail.test", append(slices.Clone(dialogues["smtp"][:2]), step{"STARTTLS", "454 not now\r\n"}), `answer to STARTTLS: expected 220, got "454 not now"`},
		{start, c, "mail.test", append(slices.Clone(dialogues["smtp"][:2]), step{"STARTTLS", "220 go\r\n250 injected\r\n"}), "in the clear"},
		{start, c, "other.test", secured("smtp"), "not other.test"},
	} {
		if x.want == "LHLO" {
			x.config.Protocol, x.want = "lmtp", "does not offer STARTTLS"
		}
		at := play(t, x.server, "", x.steps, 0)
		err := checker(t, x.config).Check(t.Context(), Target{Addr: at, Name: x.name})
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%v, want %q", err, x.want)
		}
	}
}

// ancient is a server with a certificate of yesterday.
type ancient struct {
	server *tls.Config
	ca     config.Path
}

// expired makes the certificate its own CA's.
func expired(t *testing.T) ancient {
	t.Helper()
	now := time.Now()
	return selfSigned(t, x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"mail.test"},
		NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-24 * time.Hour)})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{}`: "",
		`{protocol: imap, tls: starttls, tls_name: mail.test, interval: 2s, timeout: 1s, rise: 2, fall: 3}`: "",
		`{protocol: http}`:            `unknown word "http"`,
		`{protocol: smtp, tls: yes}`:  `unknown word "yes"`,
		`{tls: starttls}`:             "starttls needs a protocol",
		`{tls_name: mail.test}`:       "have no effect without tls",
		`{interval: 10ms}`:            "10ms is too short",
		`{interval: 2s, timeout: 3s}`: "longer than the interval",
		`{rise: 0}`:                   "0 is too small",
		`{fall: -1}`:                  "is too small",
	} {
		var into struct {
			Check *Config `yaml:"health_check"`
		}
		_, report := config.Parse("test.yaml", []byte("health_check: "+text+"\n"), &into)
		err := report.Err()
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for _, c := range []struct{ interval, timeout, want time.Duration }{{time.Second, 0, time.Second}, {time.Minute, 0, 5 * time.Second}, {time.Minute, 20 * time.Second, 20 * time.Second}} {
		if got := (Config{Interval: config.Duration(c.interval), Timeout: config.Duration(c.timeout)}).timeout(); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for name, text := range map[string]string{"missing": "", "empty": "no PEM"} {
		file := filepath.Join(t.TempDir(), name)
		if text != "" {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := New(Config{Protocol: "smtp", TLS: "implicit", TLSCAFile: config.Path(file)}, Options{}); err == nil || !strings.Contains(err.Error(), "tls_ca_file") || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
