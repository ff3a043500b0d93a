// SPDX-License-Identifier: MIT

package content

import (
	"fmt"
	"strings"
	"testing"

	"posthouse/policy"
)

// The tables of the probes, which Postfix reads too.
const (
	probeHeaderChecks = `/^X-Reject: (.*)/ REJECT said $1
/^X-Defer:/ REJECT 4.7.0 later
/^X-Discard:/ DISCARD
/^X-Ignore:/ IGNORE
/^X-Strip:/ STRIP gone
/^X-Replace: (.*)$/ REPLACE X-Replaced: <$1>
/^X-Prepend:/ PREPEND X-Prepended: yes
/^X-Badtext:/ REPLACE nothing
/^X-Unknown:/ FROBNICATE it
/^X-Pass:/ PASS
/^X-Warn:/ WARN only
/^X-Fold: one.[[:space:]]two$/ REPLACE X-Fold: found
/^X-End: a$/ REPLACE X-End: found
/^X-Blank: a/ REPLACE X-Blank: found
/^X-Empty: *$/ IGNORE
/^Content-Disposition:.*\.exe/ REPLACE Content-Disposition: attachment; filename=was-exe.txt
/^Subject: evil/ REPLACE Subject: good
/^X-Redirect:/ REDIRECT other@sink.test
/^X-Bcc:/ BCC nobody
/^X-8bit: .$/ REPLACE X-8bit: one
/^X-Long: a{90}.*tail$/ IGNORE
/^X-UPPER: a/i REPLACE X-Upper: found
`
	probeBodyChecks = `/^reject me/ REJECT body
/^ignore me$/ IGNORE
/^replace me (.*)$/ REPLACE replaced $1.
/^prepend me/ PREPEND prepended
/^discard me/ DISCARD
/^X-Ignore:/ REPLACE body, not header
/^$/ REPLACE was empty
/^--/ PREPEND before a boundary
/tail$/ REPLACE found the tail
/^..dots/ REPLACE dots
/^mark/ REPLACE marked
`
)

// probe is a message with what becomes of it under these tables, in LF.
type probe struct{ name, message, want string }

// outcome is what arrives, or the reply.
func (p probe) outcome(t *testing.T, r Result) string {
	t.Helper()
	switch r.Verdict.Action {
	case policy.Reject, policy.Defer:
		return r.Verdict.Reply.String()
	case policy.Discard:
		return "discarded"
	}
	return text(t, r)
}

func same(name, message string) probe { return probe{name, message, message} }

// deep is multiparts within each other, the innermost with a message.
func deep(n int, subject, mark string) string {
	s := ""
	for i := range n {
		s += fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%03d\n\n%s--b%03d\n", i, mark, i)
	}
	return s + "Content-Type: message/rfc822\n\nSubject: " + subject + "\n\ntext\n"
}

// short leaves fill out.
func short(s string) string {
	s = strings.ReplaceAll(s, strings.Repeat("f", 99)+"\n", "")
	return strings.ReplaceAll(s, strings.Repeat("x", 100), "x100 ")
}

// fill is lines of n octets in all, line ends as one.
func fill(n int) string {
	s := strings.Repeat(strings.Repeat("f", 99)+"\n", n/100)
	if n%100 > 0 {
		s += strings.Repeat("g", n%100-1) + "\n"
	}
	return s
}

func probes() []probe {
	return []probe{
		same("nothing", "Subject: a\n\ntext\n"),
		{"reject", "X-Reject: this\n\ntext\n", "550 5.7.1 said this"},
		{"defer", "X-Defer: this\n\ntext\n", "451 4.7.0 later"},
		{"discard", "X-Discard: this\n\ntext\n", "discarded"},
		{"ignore", "Subject: a\nX-Ignore: this\n and that\nX-Other: b\n\ntext\n", "Subject: a\nX-Other: b\n\ntext\n"},
		{"strip", "Subject: a\nX-Strip: this\n\ntext\n", "Subject: a\n\ntext\n"},
		{"replace", "Subject: a\nX-Replace: this\n\ntext\n", "Subject: a\nX-Replaced: <this>\n\ntext\n"},
		{"replace a fold", "Subject: a\nX-Replace: this\n\tand that\n\ntext\n", "Subject: a\nX-Replaced: <this\n\tand that>\n\ntext\n"},
		{"prepend", "Subject: a\nX-Prepend: this\n and that\n\ntext\n", "Subject: a\nX-Prepended: yes\nX-Prepend: this\n and that\n\ntext\n"},
		same("text that is no field", "Subject: a\nX-Badtext: b\n\ntext\n"),
		same("unknown action", "Subject: a\nX-Unknown: b\n\ntext\n"),
		{"pass", "X-Pass: a\nX-Reject: b\n\nreject me\n", "X-Pass: a\nX-Reject: b\n\nreject me\n"},
		{"warn and go on", "X-Warn: a\nX-Reject: b\n\ntext\n", "550 5.7.1 said b"},
		{"a fold in the key", "X-Fold: one\n\ttwo\n\ntext\n", "X-Fold: found\n\ntext\n"},
		{"the end of the key", "X-End: a\n\ntext\n", "X-End: found\n\ntext\n"},
		same("not the end of the key", "X-End: a\n b\n\ntext\n"),
		{"blanks before the colon", "X-Blank \t: a\n\ntext\n", "X-Blank: found\n\ntext\n"},
		{"empty field", "Subject: a\nX-Empty:\n\ntext\n", "Subject: a\n\ntext\n"},
		{"case", "x-uPPer: A\n\ntext\n", "x-uPPer: A\n\ntext\n"},
		same("redirect ends it", "X-Redirect: a\nX-Reject: b\n\nreject me\n"),
		{"discard ends it", "X-Discard: a\nX-Reject: b\n\nreject me\n", "discarded"},
		{"the first refusal ends it", "X-Defer: a\nX-Reject: b\nX-Discard: c\n\ntext\n", "451 4.7.0 later"},
		same("an address that is none", "X-Bcc: a\nX-Other: b\n\ntext\n"),
		same("two octets are no character", "X-8bit: \xff\xfe\n\ntext\n"),
		{"one octet is one", "X-8bit: \xff\n\ntext\n", "X-8bit: one\n\ntext\n"},
		{"message/global", "Content-Type: message/global\n\nSubject: evil\n\ntext\n", "Content-Type: message/global\n\nSubject: good\n\ntext\n"},
		{"message/partial", "Content-Type: message/partial\n\nX-Ignore: b\n\ntext\n", "Content-Type: message/partial\n\nbody, not header\n\ntext\n"},
		{"multipart without a boundary", "Content-Type: multipart/mixed\n\n--b\nX-Ignore: b\n\ntext\n", "Content-Type: multipart/mixed\n\nbefore a boundary\n--b\nbody, not header\n\ntext\n"},
		{"two types", "Content-Type: text/plain\nContent-Type: message/rfc822\n\nSubject: evil\n\ntext\n", "Content-Type: text/plain\nContent-Type: message/rfc822\n\nSubject: good\n\ntext\n"},
		{"deep", deep(102, "evil", ""), deep(102, "good", "before a boundary\n")},
		{"too deep", deep(103, "evil", ""), "550 5.6.0 MIME nesting exceeds safety limit"},
		{"body reject", "Subject: a\n\ntext\nreject me, please\n", "550 5.7.1 body"},
		{"body discard", "Subject: a\n\ntext\ndiscard me\n", "discarded"},
		{"body lines", "Subject: a\n\nignore me\n\nreplace me x\nprepend me\nlast\n", "Subject: a\n\n\nreplaced x.\nprepended\nprepend me\nlast\n"},
		{"field in the body", "Subject: a\n\nX-Ignore: b\n", "Subject: a\n\nbody, not header\n"},
		{"dots", "Subject: a\n\n..dots\n.\n...\n", "Subject: a\n\ndots\n.\n...\n"},
		{"attachment", bound("mixed", "b", "Content-Type: text/plain\n\ntext\n", "Content-Type: application/x\nContent-Disposition: attachment;\n filename=x.exe\n\nMZ\n"),
			rebound("mixed", "b", "Content-Type: text/plain\n\ntext\n", "Content-Type: application/x\nContent-Disposition: attachment; filename=was-exe.txt\n\nMZ\n")},
		{"attached message", "Content-Type: message/rfc822\n\nSubject: evil\nX-Ignore: b\n\nX-Ignore: c\n", "Content-Type: message/rfc822\n\nSubject: good\n\nbody, not header\n"},
		{"attached message that prepends", "Content-Type: message/rfc822\n\nX-Prepend: b\n c\n\ntext\n", "Content-Type: message/rfc822\n\nX-Prepended: yes\nX-Prepend: b\n c\n\ntext\n"},
		{"attached message that rejects", "Content-Type: message/rfc822\n\nX-Reject: b\n\ntext\n", "550 5.7.1 said b"},
		{"header of a part alone", "Content-Type: message/rfc822\n\nX-Ignore: b\n", "Content-Type: message/rfc822\n\n"},
		same("part without a header", "Content-Type: message/rfc822\n\nno header\nX-Warn: b\n\ntext\n"),
		{"digest", bound("digest", "d", "\nSubject: evil\n\ntext\n"), rebound("digest", "d", "\nSubject: good\n\ntext\n")},
		{"message in a part", bound("mixed", "b", "Content-Type: message/rfc822\n\nSubject: evil\n\nSubject: evil\n"),
			rebound("mixed", "b", "Content-Type: message/rfc822\n\nSubject: good\n\nSubject: evil\n")},
		{"after the last boundary", bound("mixed", "b", "\ntext\n") + "X-Ignore: c\n", rebound("mixed", "b", "\ntext\n") + "body, not header\n"},
		{"boundary with a tail", "Content-Type: multipart/mixed; boundary=b\n\n--bcd\nX-Ignore: a\n\ntext\n--b-- e\n",
			"Content-Type: multipart/mixed; boundary=b\n\nbefore a boundary\n--bcd\n\ntext\nbefore a boundary\n--b-- e\n"},
		{"folded boundary", "Content-Type: multipart/mixed; (a;b)\n boundary = \"b \\\"c\"\n\n--b \"c\nX-Ignore: a\n\ntext\n",
			"Content-Type: multipart/mixed; (a;b)\n boundary = \"b \\\"c\"\n\nbefore a boundary\n--b \"c\n\ntext\n"},
		{"two boundaries", "Content-Type: multipart/mixed; boundary=x; boundary=y\n\n--x\nX-Ignore: a\n\n--y\nX-Ignore: a\n\n",
			"Content-Type: multipart/mixed; boundary=x; boundary=y\n\nbefore a boundary\n--x\n\nbefore a boundary\n--y\nbody, not header\n\n"},
		{"inner multipart left open", bound("mixed", "o", "Content-Type: multipart/alternative; boundary=i\n\n--i\n\nx\n", "X-Ignore: a\n\ny\n"),
			rebound("mixed", "o", "Content-Type: multipart/alternative; boundary=i\n\nbefore a boundary\n--i\n\nx\n", "\ny\n")},
		{"beyond the limit", "Subject: a\n\n" + fill(51198) + "mark\nmark\n", "Subject: a\n\n" + fill(51198) + "marked\nmark\n"},
		{"at the limit", "Subject: a\n\n" + fill(51199) + "mark\n", "Subject: a\n\n" + fill(51199) + "mark\n"},
		{"each part anew", bound("mixed", "b", "\n"+fill(52000)+"mark\n", "\nmark\n"), strings.Replace(rebound("mixed", "b", "\n"+fill(52000)+"mark\n", "\nmarked\n"), "mark\nbefore a boundary\n", "mark\n", 1)},
		{"long line", "Subject: a\n\n" + strings.Repeat("x", 2046) + "\n" + strings.Repeat("x", 2044) + "tail\n", "Subject: a\n\n" + strings.Repeat("x", 2046) + "\nfound the tail" + "\n"},
		{"long line in two", "Subject: a\n\n" + strings.Repeat("x", 2048) + "mark it\n", "Subject: a\n\n" + strings.Repeat("x", 2048) + "marked\n"},
		{"long field", "X-Long: " + strings.Repeat("a", 90) + strings.Repeat("\n "+strings.Repeat("b", 900), 5) + "\n tail\n\ntext\n", "\ntext\n"},
	}
}

func bound(subtype, b string, each ...string) string { return mixed("", subtype, b, each) }

// rebound is the same after the checks, which put a line before each boundary.
func rebound(subtype, b string, each ...string) string {
	return mixed("before a boundary\n", subtype, b, each)
}

func mixed(mark, subtype, b string, each []string) string {
	s := fmt.Sprintf("Subject: parts\nContent-Type: multipart/%s; boundary=%q\n\nprolog\n", subtype, b)
	for _, e := range each {
		s += mark + "--" + b + "\n" + e
	}
	return s + mark + "--" + b + "--\n"
}
