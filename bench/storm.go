package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const stormClients = 300

// measureStorm: 300 clients that sign in at once, against a calm of 4.
func measureStorm(b *bench) error {
	gh, err := b.fresh("storm")
	if err != nil {
		return err
	}
	defer gh.stop()
	idle, _, err := memory(gh.pid())
	if err != nil {
		return err
	}
	var rate, slowest, peaks []float64
	var note string
	for range b.rounds {
		calm := signIns(gh, 4, b.d)
		stop := make(chan struct{})
		worst := make(chan time.Duration, 1)
		go func() { worst <- watchHealth(gh, stop) }()
		storm := signIns(gh, stormClients, b.d)
		close(stop)
		slow := <-worst
		_, peak, err := memory(gh.pid())
		if err != nil {
			return err
		}
		if storm.strange > 0 {
			return fmt.Errorf("%d answers were neither a sign-in nor a 503 or 429 with Retry-After", storm.strange)
		}
		rate = append(rate, storm.perSecond/calm.perSecond)
		slowest = append(slowest, float64(slow.Milliseconds()))
		peaks = append(peaks, peak)
		note = fmt.Sprintf("%.0f/s in the storm (%d told to come back), %.0f/s in the calm", storm.perSecond, storm.refused, calm.perSecond)
	}
	goal, ok := atLeast(0.95)
	b.add(newRow("300 clients at once: sign-ins / calm", rate, note, goal, ok))
	b.add(newRow("300 clients at once: slowest /healthz, ms", slowest, "", "at most 100", func(m float64) bool { return m <= 100 }))
	bound := idle + 2*19*2 + 32
	b.add(newRow("300 clients at once: memory, MB", peaks, fmt.Sprintf("%.0f MB at rest", idle),
		fmt.Sprintf("at most %.0f", bound), func(m float64) bool { return m <= bound }))
	return nil
}

type stormSample struct {
	perSecond        float64
	refused, strange int64
}

// signIns lets clients sign in for d; a client that is told to come back waits
// a little, as an honest one does.
func signIns(p *proc, clients int, d time.Duration) stormSample {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, benchEmail, benchPassword)
	var good, refused, strange atomic.Int64
	begin := time.Now()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for time.Since(begin) < d {
				res, err := client.Post("http://"+p.Addr+"/api/v1/login", "application/json", strings.NewReader(body))
				if err != nil {
					strange.Add(1)
					return
				}
				res.Body.Close()
				switch {
				case res.StatusCode == http.StatusOK:
					good.Add(1)
				case res.Header.Get("Retry-After") != "" && (res.StatusCode == 503 || res.StatusCode == 429):
					refused.Add(1)
					time.Sleep(100 * time.Millisecond)
				default:
					strange.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return stormSample{float64(good.Load()) / time.Since(begin).Seconds(), refused.Load(), strange.Load()}
}

func watchHealth(p *proc, stop chan struct{}) time.Duration {
	var worst time.Duration
	for {
		select {
		case <-stop:
			return worst
		case <-time.After(20 * time.Millisecond):
		}
		begin := time.Now()
		res, err := http.Get("http://" + p.Addr + "/healthz")
		if err != nil {
			return time.Hour
		}
		res.Body.Close()
		worst = max(worst, time.Since(begin))
	}
}
