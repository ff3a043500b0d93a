// SPDX-License-Identifier: MIT

package maillab

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// GTUBE is refused by every filter for spam.
const GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

// Virus is what the only signature of ClamAV's database finds, and VirusName its name.
const (
	Virus     = "posthouse-lab-harmless-signature-7f3a"
	VirusName = "Lab.Test.Signature"
)

// OpenDKIM runs one with these lines of opendkim.conf(5), and returns its address as `milters` has it.
func OpenDKIM(t testing.TB, settings ...string) (address string) {
	t.Helper()
	dir, port := foreignRoom(t), FreePort(t)
	give(t, "opendkim", dir)
	file := put(t, dir, "opendkim.conf", fmt.Sprintf("Socket inet:%d@127.0.0.1\nSyslog no\nLogWhy yes\nUserID opendkim\nRequireSafeKeys no\n"+
		"Background no\nPidFile %s/pid\n%s\n", port, dir, strings.Join(settings, "\n")))
	p := Start(t, dir, "opendkim", "-f", "-x", file)
	waitMilter(t, p, "tcp", Local(port))
	return "inet:" + Local(port)
}

// DKIMKey makes a key: its file, which OpenDKIM can read and nobody else, and the TXT record of its other half.
func DKIMKey(t testing.TB) (file, record string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	file = put(t, foreignRoom(t), "private", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
	give(t, "opendkim", file)
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)
}

// DKIMKeys is a file for OpenDKIM's TestPublicKeys: one record, of a name.
func DKIMKeys(t testing.TB, name, record string) string {
	t.Helper()
	return put(t, foreignRoom(t), "public", name+" "+record+"\n")
}

// ClamAV runs a clamd whose database is one signature, and a clamav-milter for each of these settings (clamav-milter.conf(5)), and
// returns their addresses.
func ClamAV(t testing.TB, settings ...string) (addresses []string) {
	t.Helper()
	dir := foreignRoom(t)
	for _, sub := range []string{"tmp", "db"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	give(t, "clamav", dir)
	give(t, "clamav", dir+"/tmp")
	put(t, dir, "db/lab.ndb", VirusName+":0:*:"+hex.EncodeToString([]byte(Virus))+"\n")
	conf := put(t, dir, "clamd.conf", fmt.Sprintf("LocalSocket %[1]s/clamd.sock\nDatabaseDirectory %[1]s/db\nForeground yes\nUser clamav\n"+
		"TemporaryDirectory %[1]s/tmp\nLocalSocketMode 666\n", dir))
	clamd := Start(t, dir, "clamd", "-c", conf)
	waitFor(t, clamd, "clamd", func() bool { return says("unix", dir+"/clamd.sock", "zPING\x00", "PONG") })
	for i, s := range settings {
		socket := fmt.Sprintf("%s/milter%d.sock", dir, i)
		conf := put(t, dir, fmt.Sprintf("milter%d.conf", i), fmt.Sprintf("MilterSocket %s\nMilterSocketMode 666\nUser clamav\nForeground yes\n"+
			"ClamdSocket unix:%s/clamd.sock\nAddHeader Replace\nTemporaryDirectory %s/tmp\n%s\n", socket, dir, dir, s))
		waitMilter(t, Start(t, dir, "clamav-milter", "-c", conf), "unix", socket)
		addresses = append(addresses, "unix:"+socket)
	}
	return addresses
}

// SpamAssassin runs a spamd that asks nobody, and a spamass-milter in front of it with these flags, and returns its address.
func SpamAssassin(t testing.TB, flags ...string) (address string) {
	t.Helper()
	dir, port := foreignRoom(t), FreePort(t)
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	give(t, "debian-spamd", home)
	spamd := Start(t, dir, "spamd", "--local", "--cf=use_bayes 0", "--username=debian-spamd", "--helper-home-dir="+home,
		"--listen=127.0.0.1", fmt.Sprintf("--port=%d", port), "--max-children=2", "--pidfile="+home+"/pid", "--syslog=stderr")
	waitFor(t, spamd, "spamd", func() bool {
		out, err := Run(t, dir, "spamc", "-K", "-d", "127.0.0.1", "-p", fmt.Sprint(port))
		return err == nil && strings.Contains(out, "SPAMD/")
	})
	socket := filepath.Join(dir, "milter.sock")
	p := Start(t, dir, "spamass-milter", append(append([]string{"-p", socket}, flags...), "--", "-d", "127.0.0.1", "-p", fmt.Sprint(port))...)
	waitMilter(t, p, "unix", socket)
	return "unix:" + socket
}

// waitMilter waits until a filter negotiates: it has its socket some time before.
func waitMilter(t testing.TB, p *Process, network, address string) {
	t.Helper()
	offer := "\x00\x00\x00\x0dO\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff" // version 6, all that there is to agree upon
	waitFor(t, p, "filter at "+address, func() bool { return says(network, address, offer, "\x00\x00\x00\x0dO") })
}

// says reports that the answer to a question begins so.
func says(network, address, question, answer string) bool {
	c, err := net.DialTimeout(network, address, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false
	}
	if _, err := io.WriteString(c, question); err != nil {
		return false
	}
	got := make([]byte, len(answer))
	_, err = io.ReadFull(c, got)
	return err == nil && string(got) == answer
}

// waitFor waits for a program that takes its time to start, as long as it lives.
func waitFor(t testing.TB, p *Process, what string, ready func() bool) {
	t.Helper()
	Wait(t, warmUp, what, func() bool {
		if p.Ended() {
			t.Fatalf("%s: it ended:\n%s", what, p.Log())
		}
		return ready()
	})
}

// give makes a file or folder a user's, by the program that knows names.
func give(t testing.TB, user, path string) {
	t.Helper()
	if out, err := Run(t, "", "chown", user, path); err != nil {
		t.Fatal(err, out)
	}
}

func put(t testing.TB, dir, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
