// SPDX-License-Identifier: MIT

//go:build interop

package milter

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/mail"
)

// startOpenDKIM runs OpenDKIM with these settings.
func startOpenDKIM(t *testing.T, settings string) Config {
	t.Helper()
	dir, port := own(t, "opendkim", room(t)), freePort(t)
	file := write(t, dir+"/opendkim.conf", fmt.Sprintf("Socket inet:%d@127.0.0.1\nSyslog no\nLogWhy yes\nUserID opendkim\nRequireSafeKeys no\nBackground no\nPidFile %s/pid\n%s",
		port, dir, settings))
	p := maillab.Start(t, dir, "opendkim", "-f", "-x", file)
	c := tcp(port)
	waitFilter(t, p, c)
	return c
}

// OpenDKIM signs as one filter, and as the next one verifies what the first has left: both read the same octets as we keep, with
// the strictest canonicalization too. What is altered in between does not verify.
func TestOpenDKIM(t *testing.T) {
	t.Parallel()
	dir := room(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	private := write(t, dir+"/keys/sel.private", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	own(t, "opendkim", dir+"/keys")
	if out, err := maillab.Run(t, "", "chown", "opendkim", private); err != nil {
		t.Fatal(err, out)
	}
	if err := os.Chmod(private, 0o600); err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)
	verify := startOpenDKIM(t, "Mode v\nAuthservID mx.test\nTestPublicKeys "+write(t, dir+"/public", "sel._domainkey.sender.test "+record+"\n")+"\n")
	for _, canonicalization := range []string{"simple/simple", "relaxed/relaxed"} {
		sign := startOpenDKIM(t, "Mode s\nDomain sender.test\nSelector sel\nKeyFile "+private+"\nCanonicalization "+canonicalization+
			"\nInternalHosts 192.0.2.25\nOversignHeaders From\n")
		raw := letter(t, "X-Odd:no blank\r\nX-Two:  blanks  \r\n", "Good  morning.  \r\n\r\n\r\n")
		v, r := talk(t, real(t, sign, verify), raw)
		h := after(t, raw, r)
		if v.Action != Continue || h.Count("DKIM-Signature") != 1 || !strings.Contains(h.Get("Authentication-Results"), "dkim=pass") {
			t.Errorf("%s: %+v\n%s", canonicalization, r, h)
		}
		if !h.Fields()[0].Is("Authentication-Results") {
			t.Errorf("%s: not on top:\n%s", canonicalization, h)
		}
		signed := message(t, raw)
		for _, e := range r.Edits[:1] {
			e.apply(&signed.Header)
		}
		signed.Body = mail.Bytes("Altered.\r\n")
		if v, r := talk(t, real(t, verify), signed.Header.String()+"\r\nAltered.\r\n"); !strings.Contains(fmt.Sprint(r.Edits), "dkim=fail") {
			t.Errorf("%s: altered: %+v %+v", canonicalization, v, r.Edits)
		}
	}
}

// virus is what the only signature of our database finds.
const virus = "posthouse-lab-harmless-signature-7f3a"

// startClam runs a clamd with one signature, and a clamav-milter for each set of settings.
func startClam(t *testing.T, settings ...string) []Config {
	t.Helper()
	dir := own(t, "clamav", room(t))
	own(t, "clamav", dir+"/tmp")
	write(t, dir+"/db/lab.ndb", "Lab.Test.Signature:0:*:"+hex.EncodeToString([]byte(virus))+"\n")
	conf := write(t, dir+"/clamd.conf", fmt.Sprintf("LocalSocket %[1]s/clamd.sock\nDatabaseDirectory %[1]s/db\nForeground yes\nUser clamav\nTemporaryDirectory %[1]s/tmp\nLocalSocketMode 666\n", dir))
	p := maillab.Start(t, dir, "clamd", "-c", conf)
	waitFile(t, p, dir+"/clamd.sock")
	var out []Config
	for i, s := range settings {
		socket := fmt.Sprintf("%s/milter%d.sock", dir, i)
		conf := write(t, fmt.Sprintf("%s/milter%d.conf", dir, i), fmt.Sprintf("MilterSocket %s\nMilterSocketMode 666\nUser clamav\nForeground yes\n"+
			"ClamdSocket unix:%s/clamd.sock\nAddHeader Replace\nTemporaryDirectory %s/tmp\n%s", socket, dir, dir, s))
		p := maillab.Start(t, dir, "clamav-milter", "-c", conf)
		waitFilter(t, p, unix(socket))
		out = append(out, unix(socket))
	}
	return out
}

func TestClamAV(t *testing.T) {
	t.Parallel()
	filters := startClam(t, "OnInfected Reject\nRejectMsg Infected with %v\n", "OnInfected Quarantine\n", "OnInfected Blackhole\n")
	clean, infected := letter(t, "X-Virus-Scanned: by nobody\r\n", "Good morning."), letter(t, "", virus)
	for i, c := range filters {
		v, r := talk(t, real(t, c), clean)
		if h := after(t, clean, r); v.Action != Continue || h.Count("X-Virus-Scanned") != 1 || strings.Contains(h.Get("X-Virus-Scanned"), "nobody") {
			t.Errorf("clean, %d: %+v\n%s", i, r, h)
		}
	}
	if v, _ := talk(t, real(t, filters[0]), infected); v.Action != Reject || v.Err != nil || !strings.Contains(v.Reply.String(), "Infected with Lab.Test.Signature") {
		t.Errorf("reject: %+v", v)
	}
	if v, r := talk(t, real(t, filters[1]), infected); v.Action != Continue || r.Hold != "quarantined by clamav-milter" || !strings.Contains(after(t, infected, r).Get("X-Virus-Status"), "Lab.Test.Signature") {
		t.Errorf("quarantine: %+v", r)
	}
	if v, _ := talk(t, real(t, filters[2]), infected); v.Action != Discard {
		t.Errorf("blackhole: %+v", v)
	}
}

// startSpamass runs a spamd without the network, and a spamass-milter in front of it.
func startSpamass(t *testing.T, flags ...string) Config {
	t.Helper()
	dir, port := room(t), freePort(t)
	own(t, "debian-spamd", dir+"/home")
	spamd := maillab.Start(t, dir, "spamd", "--local", "--cf=use_bayes 0", "--username=debian-spamd", "--helper-home-dir="+dir+"/home",
		"--listen=127.0.0.1", fmt.Sprintf("--port=%d", port), "--max-children=2", "--pidfile="+dir+"/home/pid", "--syslog=stderr")
	maillab.Wait(t, patience, "spamd", func() bool {
		if spamd.Ended() {
			t.Fatal(spamd.Log())
		}
		out, err := maillab.Run(t, dir, "spamc", "-K", "-d", "127.0.0.1", "-p", fmt.Sprint(port))
		return err == nil && strings.Contains(out, "SPAMD/")
	})
	socket := dir + "/milter.sock"
	p := maillab.Start(t, dir, "spamass-milter", append(append([]string{"-p", socket}, flags...), "--", "-d", "127.0.0.1", "-p", fmt.Sprint(port))...)
	waitFilter(t, p, unix(socket))
	return unix(socket)
}

func TestSpamAssassin(t *testing.T) {
	t.Parallel()
	spam, ham := letter(t, "X-Spam-Flag: NO\r\n", gtube), letter(t, "", "Good morning.")
	t.Run("tags", func(t *testing.T) {
		t.Parallel()
		c := real(t, startSpamass(t))
		v, r := talk(t, c, spam)
		h := after(t, spam, r)
		body := text(t, r.Body)
		if v.Action != Continue || h.Get("X-Spam-Flag") != "YES" || h.Count("X-Spam-Flag") != 1 || !strings.HasPrefix(h.Get("X-Spam-Status"), "Yes") {
			t.Errorf("%+v\n%s", r, h)
		}
		if _, replaced := r.Body.(mail.Draft); !replaced || !strings.Contains(body, "GTUBE") || strings.Contains(strings.ReplaceAll(body, "\r\n", ""), "\n") {
			t.Errorf("body %q", body)
		}
		v, r = talk(t, c, ham)
		if h := after(t, ham, r); v.Action != Continue || !strings.HasPrefix(h.Get("X-Spam-Status"), "No") {
			t.Errorf("%+v\n%s", r, h)
		}
	})
	t.Run("refuses", func(t *testing.T) {
		t.Parallel()
		c := real(t, startSpamass(t, "-r", "15"))
		if v, r := talk(t, c, spam); v.Action != Reject || v.Err != nil || v.Reply.Code != 550 || len(r.Edits) != 0 {
			t.Errorf("%+v", r)
		}
	})
}
