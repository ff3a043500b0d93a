// SPDX-License-Identifier: MIT

package maillab

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// PostfixOptions say what a Postfix is to be.
type PostfixOptions struct {
	Dir     string            // its folder, which the user postfix must be able to enter; empty: one of its own that goes with the test
	Main    string            // lines of main.cf, behind those that all have: see postconf(5)
	Master  string            // lines of master.cf, before those that all have: the smtpds, which nobody has without asking
	Files   map[string]string // what else stands beside main.cf, by name; main.cf says $config_directory/name
	Address string            // where one of the smtpds greets once it is up
}

// mainCF is what every Postfix has: folders of its own, a log that goes with the test's, nobody of this machine in its tables. By
// default it leaves a service alone for a minute that failed at its start, and slows a client down that it refused much.
const mainCF = `compatibility_level = 3.7
queue_directory = %[1]s/spool
data_directory = %[1]s/data
maillog_file = /dev/stdout
alias_maps =
local_recipient_maps =
service_throttle_time = 1s
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
in_flow_delay = 0
`

// masterCF are its services: none costs anything before it is wanted.
const masterCF = `postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
`

// StartPostfix runs a Postfix of its own and waits until it takes mail. It needs root, as Postfix does.
func StartPostfix(t testing.TB, o PostfixOptions) *Process {
	t.Helper()
	if o.Dir == "" {
		o.Dir = foreignRoom(t)
	}
	files := map[string]string{"main.cf": fmt.Sprintf(mainCF, o.Dir) + o.Main, "master.cf": o.Master + masterCF}
	for name, text := range o.Files {
		files[name] = text
	}
	if err := layPostfix(o.Dir, files); err != nil {
		t.Fatal(err)
	}
	p := Start(t, o.Dir, "postfix", "-c", filepath.Join(o.Dir, "conf"), "start-fg")
	t.Cleanup(func() { // before p is killed, which would not reach its master: that one is in a process group of its own
		pid := filepath.Join(o.Dir, "spool/pid/master.pid")
		if !killMaster(pid) {
			p.Kill() // it had not come to start one, or only just
			killMaster(pid)
		}
	})
	Wait(t, 3*Patience, "Postfix", func() bool {
		if p.Ended() {
			t.Fatal("Postfix ended before it took mail")
		}
		return greets(o.Address)
	})
	return p
}

// layPostfix makes its folders. Postfix would make those of its queue itself, in some hundred processes that also look through the
// programs of the whole installation; quick-start (postfix-script) tells it that all that is done.
func layPostfix(dir string, files map[string]string) error {
	owner, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(owner.Uid)
	if err != nil {
		return err
	}
	for _, name := range []string{"conf", "spool", "spool/pid"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	for _, name := range strings.Fields("data spool/active spool/bounce spool/corrupt spool/defer spool/deferred spool/flush spool/hold " +
		"spool/incoming spool/maildrop spool/private spool/public spool/saved spool/trace") {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
		if err := os.Chown(filepath.Join(dir, name), uid, -1); err != nil {
			return err
		}
	}
	past := time.Now().Add(-time.Hour) // Postfix does not trust a main.cf younger than two seconds, and waits for it to age (dict_load_file_xt)
	for name, text := range files {
		file := filepath.Join(dir, "conf", name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
		if err := os.Chtimes(file, past, past); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "spool/quick-start"), nil, 0o644)
}

// killMaster ends a master and all its services, if there is one.
func killMaster(pidFile string) bool {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return err == nil && pid > 1 && syscall.Kill(-pid, syscall.SIGKILL) == nil
}

// greets reports that a server says its 220 at once. One that only took the connection is asked again: a try that waited for long
// would use up the patience for all.
func greets(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(Patience / 4))
	banner, err := bufio.NewReader(c).ReadString('\n')
	return err == nil && strings.HasPrefix(banner, "220")
}
