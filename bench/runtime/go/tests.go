package main

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"
)

const (
	buffer     = 128
	crowd      = 8
	writeEvery = 20
	branches   = 10

	spreadUs   = 1000 * 1000
	spreadStep = 7919

	poolWorkersEach = 4
	poolQueue       = 1024

	messageMax = 4096
)

// together runs n goroutines and waits for them.
func together(n int, fn func(i int)) {
	var wg sync.WaitGroup
	wg.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			fn(i)
			wg.Done()
		}(i)
	}
	wg.Wait()
}

func testSwitch(count, workers int) {
	each := count / (2 * workers)
	m := begin()
	together(2*workers, func(int) {
		for n := each; n > 0; n-- {
			runtime.Gosched()
		}
	})
	m.end().print(each*2*workers, "")
}

func testSpawn(count, workers int) {
	each := count / workers
	m := begin()
	together(workers, func(int) {
		for n := each; n > 0; n-- {
			var wg sync.WaitGroup
			wg.Add(1)
			go wg.Done()
			wg.Wait()
		}
	})
	m.end().print(each*workers, "")
}

func testPingPong(count, workers int) {
	each := count / workers
	m := begin()
	together(workers, func(int) {
		there, back := make(chan int64), make(chan int64)
		go func() {
			for ball := range there {
				back <- ball
			}
		}()
		for i := int64(0); i < int64(each); i++ {
			there <- i
			expect(<-back == i, "the ball that came back")
		}
		close(there)
	})
	m.end().print(each*workers, "")
}

// passThrough sends `each` elements from each of so many producers to as many consumers.
func passThrough(each, pairs int) {
	c := make(chan int64, buffer)
	sums := make([]int64, pairs)
	var consumers sync.WaitGroup
	consumers.Add(pairs)
	for i := 0; i < pairs; i++ {
		go func(i int) {
			var sum int64
			for v := range c {
				sum += v
			}
			sums[i] = sum
			consumers.Done()
		}(i)
	}
	together(pairs, func(int) {
		for i := int64(0); i < int64(each); i++ {
			c <- i
		}
	})
	close(c)
	consumers.Wait()
	var sum int64
	for _, s := range sums {
		sum += s
	}
	expect(sum == int64(pairs)*(int64(each)*int64(each-1)/2), "the sum of what was received")
}

func testChan11(count, workers int) {
	each := count / workers
	m := begin()
	together(workers, func(int) { passThrough(each, 1) })
	m.end().print(each*workers, "")
}

func testChan88(count, workers int) {
	m := begin()
	passThrough(count/crowd, crowd)
	m.end().print(count/crowd*crowd, "")
}

func testSelect(count, workers int) {
	each := count / workers / crowd
	m := begin()
	together(workers, func(int) {
		var c [crowd]chan int64
		for i := range c {
			c[i] = make(chan int64)
			go func(c chan int64) {
				for i := int64(0); i < int64(each); i++ {
					c <- i
				}
			}(c[i])
		}
		var sum, v int64
		for n := each * crowd; n > 0; n-- {
			select {
			case v = <-c[0]:
			case v = <-c[1]:
			case v = <-c[2]:
			case v = <-c[3]:
			case v = <-c[4]:
			case v = <-c[5]:
			case v = <-c[6]:
			case v = <-c[7]:
			}
			sum += v
		}
		expect(sum == crowd*(int64(each)*int64(each-1)/2), "the sum of what was received")
	})
	m.end().print(each*crowd*workers, "")
}

func testMutex(count, workers int) {
	var mutex sync.Mutex
	counter, each := 0, count/crowd
	m := begin()
	together(crowd, func(int) {
		for n := each; n > 0; n-- {
			mutex.Lock()
			counter++
			mutex.Unlock()
		}
	})
	m = m.end()
	expect(counter == each*crowd, "the counter under the mutex")
	m.print(counter, "")
}

func testRWMutex(count, workers int) {
	var mutex sync.RWMutex
	counter, each := 0, count/crowd
	m := begin()
	together(crowd, func(int) {
		seen := 0
		for n := each; n > 0; n-- {
			if n%writeEvery == 0 {
				mutex.Lock()
				counter++
				mutex.Unlock()
			} else {
				mutex.RLock()
				expect(counter >= seen, "the counter read")
				seen = counter
				mutex.RUnlock()
			}
		}
	})
	m = m.end()
	expect(counter == each/writeEvery*crowd, "the counter under the rwmutex")
	m.print(each*crowd, "")
}

func skynet(out chan int64, number, leaves int64) {
	if leaves == 1 {
		out <- number
		return
	}
	in := make(chan int64)
	var sum int64
	for i := int64(0); i < branches; i++ {
		go skynet(in, number+i*(leaves/branches), leaves/branches)
	}
	for i := 0; i < branches; i++ {
		sum += <-in
	}
	out <- sum
}

func testSkynet(count, workers int) {
	out := make(chan int64)
	m := begin()
	go skynet(out, 0, int64(count))
	sum := <-out
	m = m.end()
	expect(sum == int64(count)*int64(count-1)/2, "the sum of the leaves")
	m.print(1, "")
}

func fib(n int) int {
	if n < 2 {
		return n
	}
	var wg sync.WaitGroup
	var left int
	wg.Add(1)
	go func() {
		left = fib(n - 1)
		wg.Done()
	}()
	right := fib(n - 2)
	wg.Wait()
	return left + right
}

func testFib(count, workers int) {
	m := begin()
	got := fib(count)
	m = m.end()
	a, b := 0, 1
	for i := 0; i < count; i++ {
		a, b = b, a+b
	}
	expect(got == a, "the number")
	m.print(1, "")
}

func span(i int) time.Duration {
	return time.Duration(i*spreadStep%spreadUs) * time.Microsecond
}

func testTimers(count, workers int) {
	var wg sync.WaitGroup
	wg.Add(count)
	m := begin()
	for i := 0; i < count; i++ {
		time.AfterFunc(span(i), wg.Done)
	}
	wg.Wait()
	m.end().print(1, "")
}

func testSleepers(count, workers int) {
	var wg sync.WaitGroup
	wg.Add(count)
	m := begin()
	for i := 0; i < count; i++ {
		go func(i int) {
			time.Sleep(span(i))
			wg.Done()
		}(i)
	}
	wg.Wait()
	m.end().print(1, "")
}

func testMemory(count, workers int) {
	gate := make(chan int64)
	var parked, ended sync.WaitGroup
	parked.Add(count)
	ended.Add(count)
	m := begin()
	for i := 0; i < count; i++ {
		go func() {
			parked.Done()
			<-gate
			ended.Done()
		}()
	}
	parked.Wait()
	m = m.end()
	close(gate)
	ended.Wait()
	m.print(count, fmt.Sprintf(", \"bytes\": %.1f", float64(m.memory)/float64(count)))
}

var delaysNs []int64

func runTask(i int) {
	delaysNs[i] = nowNs() - delaysNs[i]
	expect(task(uint64(i)+1) != 0, "the task's result")
}

func beginTasks(count int) meter {
	delaysNs = make([]int64, count)
	for i := range delaysNs {
		delaysNs[i] = -1 // touched before memory is measured
	}
	return begin()
}

func endTasks(m meter, count int) {
	peak := memoryPeak() - m.memory
	m = m.end()
	m.print(count, fmt.Sprintf(", \"peak_bytes\": %d%s", peak, quantiles(delaysNs)))
}

func testTasks(count, workers int) {
	var wg sync.WaitGroup
	wg.Add(count)
	m := beginTasks(count)
	for i := 0; i < count; i++ {
		delaysNs[i] = nowNs()
		go func(i int) {
			runTask(i)
			wg.Done()
		}(i)
	}
	wg.Wait()
	endTasks(m, count)
}

func testPool(count, workers int) {
	jobs := make(chan func(), poolQueue)
	var wg, meeting sync.WaitGroup
	wg.Add(poolWorkersEach * workers)
	for i := 0; i < poolWorkersEach*workers; i++ {
		go func() {
			for job := range jobs {
				job()
			}
			wg.Done()
		}()
	}
	meeting.Add(poolWorkersEach * workers)
	for i := 0; i < poolWorkersEach*workers; i++ {
		jobs <- func() {
			meeting.Done()
			meeting.Wait()
		}
	}
	meeting.Wait()
	m := beginTasks(count)
	for i := 0; i < count; i++ {
		i := i
		delaysNs[i] = nowNs()
		jobs <- func() { runTask(i) }
	}
	close(jobs)
	wg.Wait()
	endTasks(m, count)
}

func testEcho(port, workers int) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	expect(err == nil, "listening")
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			data := make([]byte, messageMax)
			for {
				n, err := c.Read(data)
				if err != nil {
					return
				}
				if _, err = c.Write(data[:n]); err != nil {
					return
				}
			}
		}()
	}
}
