// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// set is what one server is given: restriction lists, tables, and probes with what has to be answered to them.
type set struct {
	name   string
	lists  [][2]string // relay_restrictions and its like, with the words as Postfix has them
	both   map[string][]string
	tables []file
	probes []probe
}

// file is a table of a set. It follows a line `-- NAME --`.
type file struct{ name, text string }

// probe is one line of a set, or two:
//
//	CLIENT HELO <FROM> <TO>... +FLAG... = OUTCOME
//	! OUTCOME of Postfix: the reason why it differs
//
// OUTCOME is the verb at which it was decided and the reply: of the first refusal, or of the last command if nothing was refused.
type probe struct {
	where         string // file:line
	client, helo  string
	from          string
	to            []string
	flags         []string
	want, postfix string
	reason        string
	message       string // what is sent after DATA
}

func (p *probe) has(flag string) bool { return slices.Contains(p.flags, flag) }

// String is the probe as its line has it.
func (p *probe) String() string {
	words := append([]string{p.client, p.helo, p.from}, p.to...)
	return strings.Join(append(words, p.flags...), " ")
}

// readSets reads a file. A line `== NAME` begins a set; the tables behind the last one are for all of them.
func readSets(t *testing.T, name string) []*set {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	base := name[strings.LastIndexByte(name, '/')+1:]
	var sets []*set
	text, tables := splitTables(string(raw))
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "== "); ok {
			title = strings.TrimSuffix(base, ".txt") + "-" + title
			sets = append(sets, &set{name: title, both: map[string][]string{}, tables: tables})
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if err := sets[len(sets)-1].line(fmt.Sprintf("%s:%d", base, n), line); err != nil {
			t.Fatalf("%s:%d: %v", name, n, err)
		}
	}
	return sets
}

// splitTables takes the tables off the end of a file of sets.
func splitTables(raw string) (string, []file) {
	text, rest, found := strings.Cut(raw, "\n-- ")
	var tables []file
	for found {
		var one string
		one, rest, found = strings.Cut(rest, "\n-- ")
		name, content, _ := strings.Cut(one, " --\n")
		tables = append(tables, file{name, strings.TrimSuffix(content, "\n") + "\n"})
	}
	return text + "\n", tables
}

func (s *set) line(where, line string) error {
	switch {
	case line[0] == '!':
		last := &s.probes[len(s.probes)-1]
		var ok bool
		if last.postfix, last.reason, ok = strings.Cut(strings.TrimSpace(line[1:]), ": "); !ok || last.reason == "" {
			return fmt.Errorf("%q gives no reason", line)
		}
		return nil
	}
	if key, value, ok := strings.Cut(line, ": "); ok && !strings.Contains(key, " ") {
		switch {
		case strings.HasSuffix(key, "_restrictions"):
			s.lists = append(s.lists, [2]string{key, value})
		case key == "postfix" || key == "posthouse":
			s.both[key] = append(s.both[key], value)
		default:
			return fmt.Errorf("%s is no key of a set", key)
		}
		return nil
	}
	p, err := readProbe(where, line)
	s.probes = append(s.probes, p)
	return err
}

func readProbe(where, line string) (probe, error) {
	p := probe{where: where}
	line, want, _ := strings.Cut(line, " = ")
	p.want = strings.TrimSpace(want)
	p.postfix = p.want
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		end := strings.IndexByte(line+" ", ' ')
		if line[0] == '<' { // may have blanks in it
			end = strings.IndexByte(line, '>')
			end += strings.IndexByte(line[end:]+" ", ' ')
		}
		words, line = append(words, line[:end]), line[end:]
	}
	for i, w := range words {
		switch {
		case w[0] == '+':
			p.flags = append(p.flags, w)
		case i == 0:
			p.client = w
		case i == 1:
			p.helo = w
		case p.from == "":
			p.from = w
		default:
			p.to = append(p.to, w)
		}
	}
	if len(p.to) == 0 {
		return p, fmt.Errorf("%q is no probe", line)
	}
	return p, nil
}

// play plays a probe against a server and returns the outcome, with the text of the reply that decided.
func (p *probe) play(server string) (outcome, text string, err error) {
	if p.has("+wait") {
		time.Sleep(4 * time.Second) // longer than postgrey's delay
	}
	k, a, err := dial(server, p.client)
	if err != nil {
		return "", "", err
	}
	defer k.close()
	if !a.ok() {
		return "CONNECT " + a.code(), a.text, nil
	}
	if a, err = p.greet(k); err != nil || !a.ok() {
		return "HELO " + a.code(), a.text, err
	}
	if p.has("+early") {
		a, err = k.read()
	} else {
		a, err = k.say("MAIL FROM:" + parameters(p.from))
	}
	if err != nil || !a.ok() {
		return "MAIL " + a.code(), a.text, err
	}
	return p.recipients(k)
}

// parameters writes <path>_SIZE=1 with blanks.
func parameters(path string) string {
	end := strings.IndexByte(path, '>')
	return path[:end] + strings.ReplaceAll(path[end:], "_", " ")
}

func (p *probe) greet(k *talk) (answer, error) {
	verb := "EHLO "
	if p.has("+helo") {
		verb = "HELO "
	}
	switch {
	case p.has("+silent"): // no HELO at all
		return answer{"250"}, nil
	case p.has("+early"):
		return k.say("HELO "+p.helo, "MAIL FROM:"+p.from)
	}
	a, err := k.say(verb + p.helo)
	if err == nil && a.ok() && p.has("+tls") {
		if err = k.startTLS(); err == nil {
			a, err = k.say(verb + p.helo)
		}
	}
	return a, err
}

func (p *probe) recipients(k *talk) (outcome, text string, err error) {
	var codes []string
	var refused, last answer
	taken := 0
	for _, to := range p.to {
		a, err := k.say("RCPT TO:" + parameters(to))
		if err != nil {
			return "RCPT", "", err
		}
		codes = append(codes, a.code())
		if a.ok() {
			taken++
		} else {
			refused = a
		}
		last = a
	}
	if refused.text != "" {
		last = refused
	}
	if taken == 0 || !p.has("+data") || refused.text != "" && !p.has("+some") {
		k.say("QUIT")
		return "RCPT " + strings.Join(codes, ", "), last.text, nil
	}
	return p.data(k)
}

// newlines are ends of lines, and of messages, that are none (SMTP smuggling).
var newlines = map[string]string{
	"+lf": "one\ntwo\r\n", "+lfdot": "one\n.\r\ntwo\r\n", "+dotlf": "one\r\n.\ntwo\r\n", "+lfdotlf": "one\n.\ntwo\r\n", "+crdot": "one\r\n.\rtwo\r\n",
}

const usual = "From: <a@good.test>\r\nTo: <pim@ipng.ch>\r\nSubject: probe\r\nDate: Sat, 21 Nov 2026 07:00:00 +0000\r\nMessage-ID: <probe@good.test>\r\n\r\nprobe\r\n"

func (p *probe) data(k *talk) (outcome, text string, err error) {
	a, err := k.say("DATA")
	if err != nil || !a.ok() {
		return "DATA " + a.code(), a.text, err
	}
	message := p.message
	if message == "" {
		message = usual
	}
	for _, f := range p.flags {
		message += newlines[f]
	}
	if a, err = k.say(message + "."); err == nil {
		k.say("QUIT")
	}
	return "END " + a.code(), a.text, err
}
