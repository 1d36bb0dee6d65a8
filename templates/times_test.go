package templates

import (
	"testing"
	"time"

	"gatehouse/locales"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func english() clock { return clock{locales.Default(), "en"} }
func german() clock  { return clock{locales.Default(), "de"} }

func TestMomentsAreSaidAsPeopleSayThem(t *testing.T) {
	for _, c := range []struct {
		at     time.Time
		en, de string
	}{
		{noon, "today, 12:00", "heute, 12:00"},
		{noon.Add(-12 * time.Hour), "today, 00:00", "heute, 00:00"},
		{noon.Add(-12*time.Hour - time.Second), "yesterday, 23:59", "gestern, 23:59"},
		{noon.AddDate(0, 0, -2), "21\u00a0November", "21.\u00a0November"},
		{noon.AddDate(-1, -8, 0), "23\u00a0March 2025", "23.\u00a0März 2025"},
		{noon.AddDate(0, 0, 1), "24\u00a0November", "24.\u00a0November"},
	} {
		if en, de := english().when(noon, c.at), german().when(noon, c.at); en != c.en || de != c.de {
			t.Errorf("%s is %q, %q, want %q, %q", c.at, en, de, c.en, c.de)
		}
	}
}

func TestTheDayIsThatOfThePlaceOfTheRequest(t *testing.T) {
	sydney := time.FixedZone("AEDT", 11*60*60)
	late := time.Date(2026, 11, 22, 14, 30, 0, 0, time.UTC) // half past one on the 23rd
	if got := english().when(noon.In(sydney), late); got != "today, 01:30" {
		t.Errorf("it is %q", got)
	}
}

func TestWhatIsStillGoingOnIsSaidByItsAge(t *testing.T) {
	for _, c := range []struct {
		ago    time.Duration
		en, de string
	}{
		{0, "a moment ago", "gerade eben"},
		{119 * time.Second, "a moment ago", "gerade eben"},
		{2 * time.Minute, "2\u00a0minutes ago", "vor 2\u00a0Minuten"},
		{59 * time.Minute, "59\u00a0minutes ago", "vor 59\u00a0Minuten"},
		{time.Hour, "today, 11:00", "heute, 11:00"},
		{-time.Minute, "today, 12:01", "heute, 12:01"},
	} {
		at := noon.Add(-c.ago)
		if en, de := english().ago(noon, at), german().ago(noon, at); en != c.en || de != c.de {
			t.Errorf("%s ago is %q, %q", c.ago, en, de)
		}
	}
}

func TestLengthsOfTimeAreSaidInTheirUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                "0\u00a0seconds",
		time.Second:                      "1\u00a0second",
		10 * time.Minute:                 "10\u00a0minutes",
		90 * time.Minute:                 "1\u00a0hour 30\u00a0minutes",
		24 * time.Hour:                   "24\u00a0hours",
		47 * time.Hour:                   "47\u00a0hours",
		48 * time.Hour:                   "2\u00a0days",
		720 * time.Hour:                  "30\u00a0days",
		49*time.Hour + time.Second:       "2\u00a0days 1\u00a0hour",
		61*time.Second + time.Nanosecond: "1\u00a0minute 1\u00a0second",
	} {
		if got := english().span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestWhatIsLeftIsExact(t *testing.T) {
	for d, want := range map[time.Duration]string{
		588 * time.Second: "9 min 48 s", 10 * time.Minute: "10 min 0 s", time.Second: "1 s", -time.Hour: "0 s",
		2 * time.Hour: "2\u00a0hours",
	} {
		if got := english().left(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestMomentsCanBeReadByPrograms(t *testing.T) {
	got := tag(noon.In(time.FixedZone("", 3600)), "<now>")
	if want := `<time datetime="2026-11-23T12:00:00Z">&lt;now&gt;</time>`; string(got) != want {
		t.Errorf("got %s", got)
	}
}
