// SPDX-License-Identifier: MIT

package smtpd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/certs"
	"posthouse/config"
	"posthouse/internal/listen"
	"posthouse/mail"
)

// recorder is a Service that takes everything and remembers it, unless a hook says otherwise.
type recorder struct {
	onConnect func(*mail.Client) error
	onMail    func(*mail.Envelope) error
	onRcpt    func(mail.Recipient) error
	onData    func(*mail.Envelope) error
	onMessage func(context.Context, *mail.Message) error
	onAuth    func(user, password string) (string, error)
	endless   string // the verb that is thought about until its context ends

	mu       sync.Mutex
	messages []received
	closed   int
	dropped  int
}

type received struct {
	env  mail.Envelope
	text string
}

func (r *recorder) Connect(_ context.Context, c *mail.Client) (Session, error) {
	if r.onConnect != nil {
		if err := r.onConnect(c); err != nil {
			return nil, err
		}
	}
	s := recorderSession{r}
	if r.onAuth != nil {
		return recorderUsers{s}, nil
	}
	return s, nil
}

type recorderSession struct{ *recorder }

func (s recorderSession) Mail(_ context.Context, env *mail.Envelope) (Transaction, error) {
	if s.onMail != nil {
		if err := s.onMail(env); err != nil {
			return nil, err
		}
	}
	return recorderTransaction{s.recorder, env}, nil
}

func (s recorderSession) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed++
}

type recorderUsers struct{ recorderSession }

func (s recorderUsers) Authenticate(_ context.Context, _, user, password string) (string, error) {
	return s.onAuth(user, password)
}

type recorderTransaction struct {
	*recorder
	env *mail.Envelope
}

// think waits for the end of ctx if this is the verb.
func (r *recorder) think(ctx context.Context, verb string) error {
	if r.endless != verb {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (t recorderTransaction) Rcpt(ctx context.Context, to mail.Recipient) error {
	if err := t.think(ctx, "RCPT"); err != nil {
		return err
	}
	if t.onRcpt != nil {
		return t.onRcpt(to)
	}
	return nil
}

func (t recorderTransaction) Data(ctx context.Context) error {
	if err := t.think(ctx, "DATA"); err != nil {
		return err
	}
	if t.onData != nil {
		return t.onData(t.env)
	}
	return nil
}

func (t recorderTransaction) Message(ctx context.Context, msg *mail.Message) error {
	if t.onMessage != nil {
		if err := t.onMessage(ctx, msg); err != nil {
			return err
		}
	}
	r, err := msg.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	env := *t.env
	env.Recipients = append([]mail.Recipient(nil), env.Recipients...)
	t.messages = append(t.messages, received{env, string(text)})
	return nil
}

func (t recorderTransaction) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropped++
}

func (r *recorder) got() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.messages...)
}

// memorySpool is a Spool in memory.
type memorySpool struct{}

func (memorySpool) Create() (mail.Draft, error) { return &memoryDraft{}, nil }

type memoryDraft struct{ bytes.Buffer }

func (d *memoryDraft) Open() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(d.Bytes())), nil
}
func (d *memoryDraft) Size() int64 { return int64(d.Len()) }
func (d *memoryDraft) Discard()    {}

// world is a server under test on a real socket.
type world struct {
	t      *testing.T
	server *Server
	addr   string
	ca     *certs.CA
}

// testConfig is the defaults with a name, and without the delay that has a test of its own.
func testConfig() Config {
	var c Config
	c.SetDefaults()
	c.Hostname, c.AuthFailureDelay = "mx.test", 0
	return c
}

// start runs a server with one listener. change may alter options and listener.
func start(t *testing.T, service Service, change func(*Options, *listen.Config)) *world {
	t.Helper()
	o := Options{Name: "test", Service: service, Spool: memorySpool{}, Config: testConfig(), Node: "node.test", Postmaster: "cluster.test"}
	c := listen.Config{}
	if err := c.UnmarshalScalar("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w := &world{t: t}
	o.TLS, w.ca = testCertificates(t)
	if change != nil {
		change(&o, &c)
	}
	server, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := listen.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	w.server, w.addr = server, l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l, c) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return w
}

func testCertificates(t *testing.T) (*certs.Store, *certs.CA) {
	t.Helper()
	ca, err := certs.MakeCA("test")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("mx.test")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := certs.Config{Certificate: config.Path(filepath.Join(dir, "c.pem")), Key: config.Path(filepath.Join(dir, "k.pem"))}
	for name, data := range map[config.Path][]byte{c.Certificate: cert, c.Key: key} {
		if err := os.WriteFile(string(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := certs.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, ca
}

// peer is a client that speaks bytes.
type peer struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// silent connects and reads nothing.
func (w *world) silent() *peer {
	w.t.Helper()
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { conn.Close() })
	return newPeer(w.t, conn)
}

func newPeer(t *testing.T, conn net.Conn) *peer {
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// dial connects and reads the banner.
func (w *world) dial() *peer {
	w.t.Helper()
	p := w.silent()
	p.want("220 ")
	return p
}

// hello connects and says EHLO.
func (w *world) hello() *peer {
	w.t.Helper()
	p := w.dial()
	p.do("EHLO client.test\r\n", "250 ")
	return p
}

func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.conn, s); err != nil {
		p.t.Fatalf("sending %.60q: %v", s, err)
	}
}

// reply is the next reply whole, every line well-formed.
func (p *peer) reply() string {
	p.t.Helper()
	var all strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			p.t.Fatalf("reading a reply: %v (so far %q)", err, all.String()+line)
		}
		if len(line) < 6 || !strings.HasSuffix(line, "\r\n") || strings.Trim(line[:3], "0123456789") != "" {
			p.t.Fatalf("malformed reply line %q", line)
		}
		all.WriteString(line)
		if line[3] == ' ' {
			return all.String()
		}
	}
}

// want reads a reply and checks the start of its last line.
func (p *peer) want(prefix string) string {
	p.t.Helper()
	s := p.reply()
	lines := strings.Split(strings.TrimSuffix(s, "\r\n"), "\r\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, prefix) {
		p.t.Fatalf("got %q, want %q...", s, prefix)
	}
	return s
}

func (p *peer) do(command, prefix string) string {
	p.t.Helper()
	p.send(command)
	return p.want(prefix)
}

// end wants the connection closed, with nothing more said.
func (p *peer) end() {
	p.t.Helper()
	rest, err := io.ReadAll(p.r)
	if err != nil {
		p.t.Fatalf("waiting for the end: %v", err)
	}
	if len(rest) > 0 {
		p.t.Fatalf("more was said: %q", rest)
	}
}

// envelope opens a transaction up to DATA's 354.
func (p *peer) data() {
	p.t.Helper()
	p.do("MAIL FROM:<a@client.test>\r\n", "250 2.1.0")
	p.do("RCPT TO:<b@ours.test>\r\n", "250 2.1.5")
	p.do("DATA\r\n", "354 ")
}

// tls goes on in TLS.
func (p *peer) tls(ca *certs.CA) {
	p.t.Helper()
	c := tls.Client(p.conn, &tls.Config{ServerName: "mx.test", RootCAs: ca.Pool()})
	if err := c.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	p.conn, p.r = c, bufio.NewReader(c)
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// eventually waits for what another goroutine is about to do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// gone wants the connection ended, by close or reset.
func (p *peer) gone() {
	p.t.Helper()
	rest, err := io.ReadAll(p.r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatal("the connection is still there")
	}
	if len(rest) > 0 {
		p.t.Fatalf("more was said: %q", rest)
	}
}

// serviceFunc makes sessions of any kind.
type serviceFunc func() Session

func (f serviceFunc) Connect(context.Context, *mail.Client) (Session, error) { return f(), nil }

// waitForTheEnd is a Message that waits until it may not any longer.
func waitForTheEnd(ctx context.Context, _ *mail.Message) error {
	<-ctx.Done()
	return ctx.Err()
}
