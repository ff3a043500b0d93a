// SPDX-License-Identifier: MIT

package test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"posthouse/internal/maillab"
)

// idleSessions is as many as one IMAP server of the plan has, idleLimit what a session may cost.
const (
	idleSessions = 9500
	idlePeak     = 30000 // of a whole cluster, at one balancer, where there are enough descriptors
	idleLimit    = 16 << 10
)

// TestIdleSessions has thousands of clients that wait, as those of IMAP do nearly all the time, from several addresses to several
// addresses.
func TestIdleSessions(t *testing.T) {
	t.Parallel()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := idlePeak
	if most := (int(limit.Max) - 600) / 2; n > most {
		n = min(n, max(most, 0))
		if n >= idleSessions {
			n = idleSessions
		}
		t.Logf("%d descriptors allow %d sessions in one process, not %d; %d are held", limit.Max, most, idlePeak, n)
	}
	steps := 4
	if n > idleSessions {
		steps = 12 // no process of clients has more than 2,500
	}
	per := n / steps
	servers := []*crowd{startCrowd(t, "servers"), startCrowd(t, "servers"), startCrowd(t, "servers"), startCrowd(t, "servers")}
	var upstream []string
	for _, s := range servers {
		upstream = append(upstream, fmt.Sprintf("address: %q", s.do("listen")))
	}
	port := maillab.FreePort(t)
	b := startBalancer(t, "", strings.Replace(service("imap", "x", upstream, "session_log: false"), `["x"]`,
		fmt.Sprintf(`["127.0.0.1:%[1]d", "127.0.0.2:%[1]d", "127.0.0.3:%[1]d"]`, port), 1))
	memory, files := []int{pss(t, b.Pid())}, descriptors(t, b.Pid())
	var clients []*crowd
	for i := range steps {
		c := startCrowd(t, "clients")
		clients = append(clients, c)
		c.do("dial 127.0.0.%d:%d 127.0.1.%d %d", 1+i%3, port, 1+i, per)
		memory = append(memory, pss(t, b.Pid()))
		got := descriptors(t, b.Pid()) - files
		t.Logf("%5d sessions: PSS %6d KiB, %5.2f KiB each; %.3f descriptors each", (i+1)*per, memory[i+1]>>10,
			float64(memory[i+1]-memory[0])/float64((i+1)*per)/1024, float64(got)/float64((i+1)*per))
		if want := 2 * (i + 1) * per; got > want || got < want-8 { // the admin port had some when it was asked whether all is ready
			t.Errorf("%d sessions have %d descriptors", (i+1)*per, got)
		}
	}
	linear(t, memory, per)
	for _, c := range clients {
		c.do("ask 10")
	}
	total := 0
	for _, s := range servers {
		n, _ := strconv.Atoi(s.do("count"))
		total += n
	}
	if total != steps*per {
		t.Errorf("the servers have %d sessions, not %d", total, steps*per)
	}
	for _, c := range clients {
		c.do("leave")
	}
	maillab.Wait(t, maillab.Patience, "end of all sessions", func() bool { return descriptors(t, b.Pid()) <= files+8 })
}

// linear wants each step to cost no more than its sessions may, and the last not much more than the first.
func linear(t *testing.T, memory []int, per int) {
	t.Helper()
	for i := 1; i < len(memory); i++ {
		if each := (memory[i] - memory[0]) / (i * per); each > idleLimit {
			t.Errorf("%d sessions cost %d bytes each", i*per, each)
		}
	}
	half := len(memory) / 2
	first, second := memory[half]-memory[0], memory[len(memory)-1]-memory[half]
	if second > 2*first+(4<<20) {
		t.Errorf("the first half costs %d KiB, the second %d: that is not linear", first>>10, second>>10)
	}
}

// TestSlowReaders has servers, and then clients, that stop reading while the other side goes on: the sender is held up, and memory
// does not grow.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	const sessions = 200
	for name, deafServer := range map[string]bool{"server": true, "client": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, clients, listen := startCrowd(t, "server"), startCrowd(t, "clients"), door(t)
			address := server.do("listen deaf")
			b := startBalancer(t, "", service("s", listen, []string{fmt.Sprintf("address: %q", address)}, "session_log: false"))
			clients.do("dial %s 127.0.0.1 %d", listen, sessions)
			idle, sender := pss(t, b.Pid()), clients
			if !deafServer {
				sender = server // its sessions are not read by the clients either
			}
			sizes, octets := []int{idle}, []string{"0"}
			for range 4 { // nobody reads: the first takes what the system has room for, the others what it finds on second thoughts
				octets = append(octets, sender.do("push"))
				sizes = append(sizes, pss(t, b.Pid())>>10)
			}
			t.Logf("%d sessions: PSS %d KiB idle; after %s octets pushed %d KiB", sessions, idle>>10, octets[1:], sizes[1:])
			if grown := sizes[4] - idle>>10; grown > sessions*160 {
				t.Errorf("a full session costs %d KiB", grown/sessions)
			}
			if grown := sizes[4] - sizes[3]; grown > 2<<10 {
				t.Errorf("it grew by %d KiB though nobody reads", grown)
			}
			if b.Ended() {
				t.Error("the balancer ended")
			}
		})
	}
}

// pss is the memory that a process has for itself, in bytes (Pss_Anon of proc_pid_smaps_rollup(5)). What it has from files is the program,
// whose share changes with whoever else runs it.
func pss(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int
		if _, err := fmt.Sscanf(line, "Pss_Anon: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	t.Fatalf("no Pss_Anon in %q", text)
	return 0
}

// descriptors is how many a process has open.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
