package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"time"
)

// The questions about a name with an account and about one without, in turns:
// 400 pairs, of which no name gets more than a day's 20 mails.
const (
	pairs      = 400
	perAccount = 20
)

// measureEqual asks whether the time of an answer tells who has an account:
// forgotten passwords and sign-ups, for a name that is taken and for one that is
// free, in turns whose order changes. The figure is the probability that the
// answer about the taken one is the slower: 0.5 tells nothing.
func measureEqual(b *bench) error {
	data := filepath.Join(b.tmp, "equal")
	for i := range pairs / perAccount {
		if _, err := b.gh.run(benchPassword+"\n", data, nil, "user", "add", person("taken", i), "--password-stdin"); err != nil {
			return err
		}
	}
	p, err := b.gh.serve(data, "LIMIT_MAIL_PER_ADDRESS=off", "LIMIT_FORGOT_PER_NETWORK=off")
	if err != nil {
		return err
	}
	defer p.stop()
	for _, call := range []struct{ name, path, password string }{
		{"forgotten password", "/api/v1/password/forgot", ""},
		{"sign-up", "/api/v1/register", benchPassword + "-two"},
	} {
		taken, free, err := inTurns(p, call.path, call.password)
		if err != nil {
			return err
		}
		b.add(newRow(call.name+": how likely a taken name is the slower one", []float64{slower(taken, free)},
			fmt.Sprintf("%d pairs, medians %s and %s", pairs, middle(taken), middle(free)),
			"0.40 to 0.60", func(p float64) bool { return p >= 0.40 && p <= 0.60 }))
	}
	return nil
}

func person(kind string, i int) string { return fmt.Sprintf("%s%02d@example.com", kind, i) }

func middle(list []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(list))[len(list)/2].Round(time.Microsecond)
}

// inTurns measures both kinds, the first of a pair being the other one each time.
func inTurns(p *proc, path, password string) (taken, free []time.Duration, err error) {
	for i := range pairs {
		for j := range 2 {
			kind, list := "taken", &taken
			if (i+j)%2 == 1 {
				kind, list = "frees", &free
			}
			took, err := ask(p.URL+path, person(kind, i/perAccount), password)
			if err != nil {
				return nil, nil, err
			}
			*list = append(*list, took)
		}
	}
	return taken, free, nil
}

func ask(url, email, password string) (time.Duration, error) {
	body := map[string]string{"email": email}
	if password != "" {
		body["password"] = password
	}
	text, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	res, err := http.Post(url, "application/json", bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	took := time.Since(begin)
	if err == nil && res.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("%s answered %d: %s", url, res.StatusCode, answer)
	}
	return took, err
}

// slower is the share of pairs (every one of the first against every one of
// the second, as Mann and Whitney count) in which the first took longer.
func slower(a, b []time.Duration) float64 {
	longer := 0.0
	for _, x := range a {
		for _, y := range b {
			switch {
			case x > y:
				longer++
			case x == y:
				longer += 0.5
			}
		}
	}
	return longer / float64(len(a)*len(b))
}
