// rt_go TEST WORKERS COUNT: runs one test of the runtime benchmark on goroutines and prints what it
// took. ../README.md says what the tests do.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var tests = map[string]func(count, workers int){
	"switch": testSwitch, "spawn": testSpawn, "pingpong": testPingPong, "chan11": testChan11,
	"chan88": testChan88, "select": testSelect, "mutex": testMutex, "rwmutex": testRWMutex,
	"skynet": testSkynet, "fib": testFib, "timers": testTimers, "sleepers": testSleepers, "memory": testMemory,
	"tasks": testTasks, "pool": testPool, "echo": testEcho,
}

// meter is what was used since begin.
type meter struct {
	wallNs, cpuNs, memory int64
}

func cpuNs() int64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// statusBytes is the sum of the given lines of /proc/self/status.
func statusBytes(keys ...string) int64 {
	f, err := os.Open("/proc/self/status")
	expect(err == nil, "/proc/self/status")
	defer f.Close()
	var kib int64
	for lines := bufio.NewScanner(f); lines.Scan(); {
		for _, key := range keys {
			if strings.HasPrefix(lines.Text(), key) {
				n, _ := strconv.ParseInt(strings.Fields(lines.Text())[1], 10, 64)
				kib += n
			}
		}
	}
	return kib * 1024
}

func memory() int64     { return statusBytes("VmRSS:", "VmPTE:") }
func memoryPeak() int64 { return statusBytes("VmHWM:", "VmPTE:") }

var epoch = time.Now()

// nowNs is monotonic.
func nowNs() int64 { return int64(time.Since(epoch)) }

func begin() meter {
	m := meter{memory: memory()}
	m.cpuNs = cpuNs()
	m.wallNs = nowNs()
	return m
}

func (m meter) end() meter {
	used := meter{wallNs: nowNs() - m.wallNs}
	used.cpuNs = cpuNs() - m.cpuNs
	used.memory = memory() - m.memory
	return used
}

func (m meter) print(ops int, more string) {
	fmt.Printf("{\"ops\": %d, \"wall_ns\": %d, \"cpu_ns\": %d%s}\n", ops, m.wallNs, m.cpuNs, more)
}

func quantiles(delaysNs []int64) string {
	sort.Slice(delaysNs, func(i, j int) bool { return delaysNs[i] < delaysNs[j] })
	n := len(delaysNs)
	return fmt.Sprintf(", \"p50_ns\": %d, \"p99_ns\": %d", delaysNs[n/2], delaysNs[n-1-n/100])
}

func expect(right bool, what string) {
	if !right {
		fmt.Fprintln(os.Stderr, "wrong:", what)
		os.Exit(1)
	}
}

// task is a little work, the same as meter_task() in meter.c.
func task(seed uint64) uint64 {
	for i := 0; i < 300; i++ {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
	}
	return seed
}

func main() {
	if len(os.Args) != 4 || tests[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: rt_go TEST WORKERS COUNT")
		os.Exit(2)
	}
	workers, _ := strconv.Atoi(os.Args[2])
	count, _ := strconv.Atoi(os.Args[3])
	runtime.GOMAXPROCS(workers)
	tests[os.Args[1]](count, workers)
}
