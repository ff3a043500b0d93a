// SPDX-License-Identifier: MIT

package test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/smtp"
	"strings"
	"time"

	"posthouse/internal/maillab"
)

// client is a plain SMTP client with a deadline over the whole conversation.
type client struct{ *smtp.Client }

func dial(address string) (client, error) {
	conn, err := net.DialTimeout("tcp", address, maillab.Patience)
	if err != nil {
		return client{}, err
	}
	conn.SetDeadline(time.Now().Add(2 * maillab.Patience))
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		conn.Close()
		return client{}, err
	}
	return client{c}, c.Hello("client.example.test")
}

// send gives one message to one or more recipients; nil means that it was answered 250.
func (c client) send(from string, to []string, message string) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(message)); err != nil {
		return err
	}
	return w.Close()
}

// deliver sends one message over a connection of its own.
func deliver(address, from, to, message string) error {
	c, err := dial(address)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.send(from, []string{to}, message); err != nil {
		return err
	}
	return c.Quit()
}

// submit logs in over STARTTLS and sends one message.
func submit(s *stack, from, to, message string) error {
	c, err := dial(s.addr(587))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.StartTLS(&tls.Config{RootCAs: s.roots, ServerName: "out.posthouse.test"}); err != nil {
		return err
	}
	if err := c.Auth(smtp.PlainAuth("", s.user, s.password, "127.0.0.1")); err != nil {
		return err
	}
	if err := c.send(from, []string{to}, message); err != nil {
		return err
	}
	return c.Quit()
}

// letter is a small message with an identity of its own.
func letter(id, from, to, body string) string {
	return fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: a test\r\nDate: %s\r\nMessage-ID: <%s>\r\n\r\n%s\r\n",
		from, to, time.Now().Format(time.RFC1123Z), id, strings.ReplaceAll(body, "\n", "\r\n"))
}
