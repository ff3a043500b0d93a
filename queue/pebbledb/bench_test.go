// SPDX-License-Identifier: MIT

package pebbledb

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"posthouse/mail"
	"posthouse/queue"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// benchStore is on a real disk: QUEUE_BENCH_DIR, else the folder for temporary files.
func benchStore(b *testing.B, o Options) *Store {
	b.Helper()
	dir, err := os.MkdirTemp(os.Getenv("QUEUE_BENCH_DIR"), "queue")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	o.FS = vfs.Default
	s, err := Open(dir, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// letter is half text and half what looks like an encoded attachment.
func letter(size int) []byte {
	text := strings.Repeat("All work and no play makes mail a dull boy.\r\n", size/45+1)[:size]
	out := []byte(text)
	r := rand.New(rand.NewPCG(1, 2))
	for i := size / 2; i < size; i++ {
		out[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[r.IntN(64)]
	}
	return out
}

func benchEntry(b *testing.B, s *Store, text []byte) queue.Entry {
	d, err := s.Create()
	if err != nil {
		b.Fatal(err)
	}
	for rest := text; len(rest) > 0; {
		n := min(len(rest), 32<<10)
		if _, err := d.Write(rest[:n]); err != nil {
			b.Fatal(err)
		}
		rest = rest[n:]
	}
	return benchMessage(b, d)
}

func benchMessage(b *testing.B, body mail.Body) queue.Entry {
	now := time.Now()
	to := path(b, "<b@example.test>")
	e := queue.Entry{
		Envelope: &mail.Envelope{
			ID: mail.NewID(now), From: path(b, "<a@example.test>"), Arrived: now,
			Recipients: []mail.Recipient{{To: to, Given: to}}, Client: mail.Client{HELO: "client.test", Protocol: "ESMTP"},
		},
		Message: &mail.Message{Body: body},
	}
	e.Message.Header.Append(mail.NewField("Received", "from client.test by server.test; Sun, 1 Mar 2026 12:00:00 +0000"), mail.NewField("Subject", "hello"))
	e.Rows = []queue.Row{{ID: e.Envelope.ID, Destination: "example.test", Due: now}}
	return e
}

// cpu is what the process has used, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMessage is the life of one message: draft, synced commit, load, lazy settlement.
func BenchmarkMessage(b *testing.B) {
	for _, size := range []int{4 << 10, 32 << 10, 100 << 10, 256 << 10, 1 << 20} {
		for _, sessions := range []int{1, 100} {
			b.Run(fmt.Sprintf("size=%dK/sessions=%d", size>>10, sessions), func(b *testing.B) {
				benchLife(b, Options{Threshold: threshold()}, size, sessions)
			})
		}
	}
}

// threshold lets a run compare values without another build: QUEUE_BENCH_THRESHOLD, in KiB.
func threshold() int {
	n, _ := strconv.Atoi(os.Getenv("QUEUE_BENCH_THRESHOLD"))
	return n << 10
}

func benchLife(b *testing.B, o Options, size, sessions int) {
	s := benchStore(b, o)
	text := letter(size)
	b.SetBytes(int64(size))
	b.SetParallelism(max(sessions/runtime.GOMAXPROCS(0), 1))
	before, started := cpu(), time.Now()
	b.ResetTimer()
	if sessions == 1 {
		for range b.N {
			life(b, s, text)
		}
	} else {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				life(b, s, text)
			}
		})
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N)/1000, "cpu-us/op")
	b.ReportMetric(float64(b.N)/time.Since(started).Seconds(), "msg/s")
}

func life(b *testing.B, s *Store, text []byte) {
	e := benchEntry(b, s, text)
	if err := s.Apply(b.Context(), queue.Change{Add: []queue.Entry{e}}); err != nil {
		b.Fatal(err)
	}
	if _, _, err := s.Load(b.Context(), e.Envelope.ID); err != nil {
		b.Fatal(err)
	}
	if err := s.Apply(b.Context(), queue.Change{Done: e.Rows, Lazy: true}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBacklog opens a store with 100,000 messages and reads the first of them.
func BenchmarkBacklog(b *testing.B) {
	s := benchStore(b, Options{})
	text := letter(4 << 10)
	var n atomic.Int64
	b.SetParallelism(50)
	done := make(chan struct{})
	for range 50 {
		go func() {
			for n.Add(1) <= 100_000 {
				e := benchMessage(b, mail.Bytes(text))
				if err := s.Apply(b.Context(), queue.Change{Add: []queue.Entry{e}}); err != nil {
					b.Error(err)
				}
			}
			done <- struct{}{}
		}()
	}
	for range 50 {
		<-done
	}
	dir := s.dir
	for b.Loop() {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		var err error
		if s, err = Open(dir, Options{}); err != nil {
			b.Fatal(err)
		}
		rows, err := s.Due(b.Context(), "example.test", time.Now(), 100)
		if err != nil || len(rows) != 100 {
			b.Fatal(len(rows), err)
		}
	}
	b.StopTimer()
	runtime.GC()
	b.ReportMetric(resident(), "MiB-resident")
	s.Close()
}

// resident is VmRSS.
func resident() float64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(fields[0])
	return float64(n) / 1024
}
