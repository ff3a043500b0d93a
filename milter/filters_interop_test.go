// SPDX-License-Identifier: MIT

//go:build interop

package milter

import (
	"fmt"
	"strings"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/mail"
)

// OpenDKIM signs as one filter, and as the next one verifies what the first has left: both read the same octets as we keep, with
// the strictest canonicalization too. What is altered in between does not verify.
func TestOpenDKIM(t *testing.T) {
	t.Parallel()
	private, record := maillab.DKIMKey(t)
	verify := filterAt(t, maillab.OpenDKIM(t, "Mode v", "AuthservID mx.test", "TestPublicKeys "+maillab.DKIMKeys(t, "sel._domainkey.sender.test", record)))
	for _, canonicalization := range []string{"simple/simple", "relaxed/relaxed"} {
		sign := filterAt(t, maillab.OpenDKIM(t, "Mode s", "Domain sender.test", "Selector sel", "KeyFile "+private, "Canonicalization "+canonicalization,
			"InternalHosts 192.0.2.25", "OversignHeaders From"))
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

func TestClamAV(t *testing.T) {
	t.Parallel()
	var filters []Config
	for _, address := range maillab.ClamAV(t, "OnInfected Reject\nRejectMsg Infected with %v", "OnInfected Quarantine", "OnInfected Blackhole") {
		filters = append(filters, filterAt(t, address))
	}
	clean, infected := letter(t, "X-Virus-Scanned: by nobody\r\n", "Good morning."), letter(t, "", maillab.Virus)
	for i, c := range filters {
		v, r := talk(t, real(t, c), clean)
		if h := after(t, clean, r); v.Action != Continue || h.Count("X-Virus-Scanned") != 1 || strings.Contains(h.Get("X-Virus-Scanned"), "nobody") {
			t.Errorf("clean, %d: %+v\n%s", i, r, h)
		}
	}
	if v, _ := talk(t, real(t, filters[0]), infected); v.Action != Reject || v.Err != nil || !strings.Contains(v.Reply.String(), "Infected with "+maillab.VirusName) {
		t.Errorf("reject: %+v", v)
	}
	if v, r := talk(t, real(t, filters[1]), infected); v.Action != Continue || r.Hold != "quarantined by clamav-milter" || !strings.Contains(after(t, infected, r).Get("X-Virus-Status"), maillab.VirusName) {
		t.Errorf("quarantine: %+v", r)
	}
	if v, _ := talk(t, real(t, filters[2]), infected); v.Action != Discard {
		t.Errorf("blackhole: %+v", v)
	}
}

func TestSpamAssassin(t *testing.T) {
	t.Parallel()
	spam, ham := letter(t, "X-Spam-Flag: NO\r\n", maillab.GTUBE), letter(t, "", "Good morning.")
	t.Run("tags", func(t *testing.T) {
		t.Parallel()
		c := real(t, filterAt(t, maillab.SpamAssassin(t)))
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
		c := real(t, filterAt(t, maillab.SpamAssassin(t, "-r", "15")))
		if v, r := talk(t, c, spam); v.Action != Reject || v.Err != nil || v.Reply.Code != 550 || len(r.Edits) != 0 {
			t.Errorf("%+v", r)
		}
	})
}
