// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"posthouse/internal/node"
	"posthouse/mail"
	"posthouse/smtpclient"
)

// sendFlags are a submission; what is left out comes from the cluster file and the credentials beside it.
type sendFlags struct {
	server, from, user, passwordFile, caFile, subject string
	stdin                                             bool
}

func sendCommand(o *options) *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use:   "send RECIPIENT...",
		Short: "Submit a test message through smtp-out, showing the dialogue",
		Args:  some("recipient", "guest@posthouse.test"),
		RunE:  func(c *cobra.Command, args []string) error { return f.send(c.Context(), o, args) },
	}
	flags := c.Flags()
	flags.StringVar(&f.server, "server", "", "host:port (default: smtp_out of the cluster file)")
	flags.StringVar(&f.from, "from", "", "sender (default: the user)")
	flags.StringVar(&f.user, "user", "", "login (default: the first line of the file `credentials` beside the cluster file)")
	flags.StringVar(&f.passwordFile, "password-file", "", "file with lines of user:password (default: that file)")
	flags.StringVar(&f.caFile, "ca-file", "", "certificates that the server's is checked against (default: smtp_out's tls_ca_file)")
	flags.StringVar(&f.subject, "subject", "A test from posthouse send", "subject")
	flags.BoolVar(&f.stdin, "stdin", false, "send the message on standard input, header and all")
	return c
}

func (f *sendFlags) send(ctx context.Context, o *options, to []string) error {
	password, err := f.complete(o)
	if err != nil {
		return err
	}
	env, msg, err := f.message(o, to)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := f.dial(ctx, o.std.out)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Auth(ctx, f.user, password); err != nil {
		return hinted(fmt.Errorf("log in as %s: %w", f.user, err), "name a user with --user and a file with --password-file")
	}
	results, err := conn.Send(ctx, env, everyone(env), env.From, msg)
	if err != nil {
		return err
	}
	conn.Quit()
	return outcome(env, results)
}

// everyone is the indices of all recipients.
func everyone(env *mail.Envelope) []int {
	all := make([]int, len(env.Recipients))
	for i := range all {
		all[i] = i
	}
	return all
}

// outcome is an error if any recipient was refused.
func outcome(env *mail.Envelope, results []mail.Result) error {
	var refused []string
	for i, r := range results {
		if r.Status != mail.Relayed && r.Status != mail.Delivered {
			refused = append(refused, fmt.Sprintf("%s: %s", env.Recipients[i].To, r.Reply))
		}
	}
	if len(refused) > 0 {
		return errors.New(strings.Join(refused, "\n"))
	}
	return nil
}

// complete fills in what the flags left out, and finds the password.
func (f *sendFlags) complete(o *options) (password string, err error) {
	if f.server == "" || f.passwordFile == "" {
		c, err := o.load(localPlace, systemPlace)
		if err != nil {
			return "", err
		}
		f.fromCluster(c)
	}
	if f.server == "" {
		return "", hinted(errors.New("the cluster file has no smtp_out to submit to"), "name one with --server host:port")
	}
	user, password, err := credentials(f.passwordFile, f.user)
	if err != nil {
		return "", hinted(err, "--password-file names a file with lines of user:password")
	}
	f.user = user
	if f.from == "" {
		f.from = f.user
	}
	return password, nil
}

func (f *sendFlags) fromCluster(c *node.Cluster) {
	if f.passwordFile == "" {
		f.passwordFile = filepath.Join(filepath.Dir(c.File), "credentials")
	}
	if c.SMTPOut == nil {
		return
	}
	if f.caFile == "" {
		f.caFile = string(c.SMTPOut.Delivery.TLSCAFile)
	}
	if f.server == "" && len(c.SMTPOut.Listen) > 0 {
		_, f.server = c.SMTPOut.Listen[0].Address.Dial()
	}
}

// credentials finds a user's line, or the first one.
func credentials(file, user string) (login, password string, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	for line := range strings.Lines(string(data)) {
		login, password, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if ok && (user == "" || user == login) {
			return login, password, nil
		}
	}
	return "", "", fmt.Errorf("%s has no line for user %q", file, user)
}

// message makes the envelope and the text.
func (f *sendFlags) message(o *options, to []string) (*mail.Envelope, *mail.Message, error) {
	env := &mail.Envelope{Arrived: time.Now()}
	var err error
	if env.From, err = mail.ParseAddress(f.from); err != nil {
		return nil, nil, fmt.Errorf("sender %q: %w", f.from, err)
	}
	for _, address := range to {
		p, err := mail.ParseAddress(address)
		if err != nil {
			return nil, nil, fmt.Errorf("recipient %q: %w", address, err)
		}
		env.Recipients = append(env.Recipients, mail.Recipient{To: p, Given: p})
	}
	var text io.Reader = o.std.in
	if !f.stdin {
		text = strings.NewReader(fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n\r\nSent by posthouse send at %s.\r\n",
			env.From, strings.Join(to, ">, <"), clean(f.subject), env.Arrived.Format(time.RFC1123Z)))
	}
	msg, err := mail.ReadMessage(text, 100<<20)
	if err != nil {
		return nil, nil, fmt.Errorf("message: %w", err)
	}
	if len(msg.Header.Fields()) == 0 {
		return nil, nil, errors.New("message: standard input has no header")
	}
	return env, msg, nil
}

// clean keeps a subject on its line.
func clean(s string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(s) }

// dial opens the conversation and shows it.
func (f *sendFlags) dial(ctx context.Context, show io.Writer) (*smtpclient.Conn, error) {
	host, port, err := net.SplitHostPort(f.server)
	if err != nil {
		return nil, usage(fmt.Errorf("server %q: %w", f.server, err), "--server takes host:port")
	}
	config := &tls.Config{ServerName: host}
	if f.caFile != "" {
		pem, err := os.ReadFile(f.caFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate in PEM", f.caFile)
		}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", f.server)
	if err != nil {
		return nil, hinted(err, "is posthouse running? `posthouse up` starts it")
	}
	mode := smtpclient.Required
	if port == "465" {
		mode = smtpclient.Implicit
	}
	return smtpclient.New(ctx, conn, smtpclient.Options{
		Hello: "localhost", Mode: mode, TLS: config, Remote: f.server, Trace: func(line string) { fmt.Fprintln(show, line) },
	})
}
