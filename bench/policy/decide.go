// What one decision costs in Go: `decide TEST THREADS`, as decide.c. The breaker is the design of the
// usual one (a mutex around state, generation and counts); the bucket is golang.org/x/time/rate.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	batch = 4096
	span  = 500 * time.Millisecond
)

// breaker has what a call pays in the mutex design: acquire checks state and expiry and counts a
// request, report checks the generation and counts the result.
type breaker struct {
	mutex      sync.Mutex
	open       bool
	generation uint64
	expiry     time.Time
	requests, successes, failures,
	consecutiveSuccesses, consecutiveFailures uint32
}

func (b *breaker) current(now time.Time) uint64 {
	if !b.open && !b.expiry.IsZero() && b.expiry.Before(now) {
		b.generation++
		b.requests, b.successes, b.failures = 0, 0, 0
		b.expiry = now.Add(10 * time.Second)
	}
	return b.generation
}

func (b *breaker) acquire(now time.Time) (uint64, bool) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	generation := b.current(now)
	if b.open {
		return generation, false
	}
	b.requests++
	return generation, true
}

func (b *breaker) report(generation uint64, ok bool, now time.Time) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.current(now) != generation {
		return
	}
	if ok {
		b.successes++
		b.consecutiveSuccesses++
		b.consecutiveFailures = 0
		return
	}
	b.failures++
	b.consecutiveFailures++
	b.consecutiveSuccesses = 0
	if b.consecutiveFailures > 5 {
		b.open = true
		b.generation++
	}
}

var (
	word int64
	brk  = &breaker{expiry: time.Now().Add(10 * time.Second)}
	lim  = rate.NewLimiter(1e10, 1000000000)
)

var tests = map[string]func(now time.Time){
	"add": func(time.Time) { atomic.AddInt64(&word, 1) },
	"breaker": func(now time.Time) {
		generation, ok := brk.acquire(now)
		if !ok {
			panic("refused")
		}
		brk.report(generation, true, now)
	},
	"bucket": func(now time.Time) {
		if !lim.AllowN(now, 1) {
			panic("refused")
		}
	},
}

func main() {
	threads := 0
	var decide func(time.Time)
	if len(os.Args) == 3 {
		threads, _ = strconv.Atoi(os.Args[2])
		decide = tests[os.Args[1]]
	}
	if threads < 1 || decide == nil {
		fmt.Fprintln(os.Stderr, "usage: decide add|breaker|bucket THREADS")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(threads)
	results := make(chan float64)
	var ready, start sync.WaitGroup
	ready.Add(threads)
	start.Add(1)
	for i := 0; i < threads; i++ {
		go func() {
			runtime.LockOSThread()
			ready.Done()
			start.Wait()
			begin := time.Now()
			now, decisions := begin, 0
			for now.Sub(begin) < span {
				for j := 0; j < batch; j++ {
					decide(now)
				}
				decisions += batch
				now = time.Now()
			}
			results <- float64(now.Sub(begin).Nanoseconds()) / float64(decisions)
		}()
	}
	ready.Wait()
	start.Done()
	sum := 0.0
	for i := 0; i < threads; i++ {
		sum += <-results
	}
	fmt.Printf("{\"test\":\"%s\",\"threads\":%d,\"ns\":%.2f}\n", os.Args[1], threads, sum/float64(threads))
}
