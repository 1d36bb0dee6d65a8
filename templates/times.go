package templates

import (
	"html/template"
	"strconv"
	"strings"
	"time"

	"gatehouse/locales"
)

// clock says times and lengths of time in one language. Days and clock times
// are those of the location of now, the time of the request.
type clock struct {
	words *locales.Bundle
	lang  string
}

func (c clock) say(key string, pairs ...any) string {
	params := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		params[pairs[i].(string)] = pairs[i+1]
	}
	return c.words.Text(c.lang, key, params)
}

// date is "14 July", with the year when it is another one than now.
func (c clock) date(now, at time.Time) string {
	at = at.In(now.Location())
	month := c.say("month." + strconv.Itoa(int(at.Month())))
	if at.Year() == now.Year() {
		return c.say("time.date", "Day", at.Day(), "Month", month)
	}
	return c.say("time.date_year", "Day", at.Day(), "Month", month, "Year", strconv.Itoa(at.Year()))
}

// when is "today, 10:18", "yesterday, 17:52" or a date.
func (c clock) when(now, at time.Time) string {
	at = at.In(now.Location())
	switch daysBetween(at, now) {
	case 0:
		return c.say("time.today", "Clock", at.Format("15:04"))
	case 1:
		return c.say("time.yesterday", "Clock", at.Format("15:04"))
	}
	return c.date(now, at)
}

// ago is when for things that still happen: "now", "9 minutes ago".
func (c clock) ago(now, at time.Time) string {
	passed := now.Sub(at)
	switch {
	case passed < 0 || passed >= time.Hour:
		return c.when(now, at)
	case passed < 2*time.Minute:
		return c.say("time.now")
	}
	return c.say("time.minutes_ago", "N", int(passed/time.Minute))
}

// daysBetween counts midnights, so that late yesterday is yesterday.
func daysBetween(at, now time.Time) int {
	return int(midnight(now).Sub(midnight(at)).Hours() / 24)
}

// midnight is in UTC, where every day has 24 hours.
func midnight(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// span is a length of time that somebody set: "10 minutes", "30 days". What
// is not whole keeps its two largest units: "1 hour 30 minutes".
func (c clock) span(d time.Duration) string {
	var parts []string
	for _, unit := range spanUnits {
		n := int(d / unit.size)
		if n == 0 || unit.name == "days" && d < 48*time.Hour {
			continue
		}
		parts = append(parts, c.say("span."+unit.name, "N", n))
		if d -= time.Duration(n) * unit.size; d == 0 || len(parts) == 2 {
			break
		}
	}
	if len(parts) == 0 {
		return c.say("span.seconds", "N", 0)
	}
	return strings.Join(parts, " ")
}

// A day is said from two days on: people say "24 hours".
var spanUnits = []struct {
	name string
	size time.Duration
}{
	{"days", 24 * time.Hour}, {"hours", time.Hour}, {"minutes", time.Minute}, {"seconds", time.Second},
}

// left is what remains, short and exact: "9 min 48 s".
func (c clock) left(d time.Duration) string {
	d = max(0, d).Round(time.Second)
	minutes, seconds := int(d/time.Minute), int(d%time.Minute/time.Second)
	switch {
	case minutes == 0:
		return c.say("span.short_s", "S", seconds)
	case minutes >= 60:
		return c.span(d)
	}
	return c.say("span.short_min_s", "M", minutes, "S", seconds)
}

// tag wraps words about a moment, so that programs can read it.
func tag(at time.Time, words string) template.HTML {
	return template.HTML(`<time datetime="` + at.UTC().Format(time.RFC3339) + `">` + template.HTMLEscapeString(words) + `</time>`)
}
