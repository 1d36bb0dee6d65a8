package audit

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/internal/testkit"
	"gatehouse/models"
)

func listed(t *testing.T, l *Log, f Filter) (actions []string) {
	t.Helper()
	list, _, err := l.List(t.Context(), f, models.ID{}, MostListed)
	if err != nil {
		t.Fatal(err)
	}
	var exported []string
	if err := l.Export(t.Context(), f, func(r Record) error { exported = append(exported, string(r.Action)); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		actions = append(actions, string(r.Action))
	}
	slices.Reverse(exported)
	if !slices.Equal(actions, exported) {
		t.Errorf("listed %v, exported the other way round %v", actions, exported)
	}
	return actions
}

func TestEventsAreChosenByPersonActionOutcomeAndTime(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		clock := testkit.NewClock()
		l, mara, chief := New(db, clock.Now), models.NewID(), models.NewID()
		start := clock.Now()
		for _, e := range []Event{
			{Action: SignIn, Outcome: Failure, Subject: mara},
			{Action: SignIn, Outcome: Success, Actor: mara, Subject: mara},
			{Action: SignInStep, Outcome: Success, Actor: mara, Subject: mara},
			{Action: UserDisabled, Outcome: Success, Actor: chief, Subject: mara},
			{Action: UserRoles, Outcome: Success, Actor: chief, Subject: chief},
			{Action: UsersImported, Outcome: Success},
		} {
			if err := l.Record(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			clock.Advance(time.Hour)
		}
		for name, c := range map[string]struct {
			f    Filter
			want string
		}{
			"all":               {Filter{}, "users.imported user.roles user.disabled signin.step signin signin"},
			"about a person":    {Filter{About: mara}, "user.disabled signin.step signin signin"},
			"by a person":       {Filter{By: chief}, "user.roles user.disabled"},
			"by one to another": {Filter{By: chief, About: mara}, "user.disabled"},
			"an action":         {Filter{Action: "signin"}, "signin signin"},
			"a family":          {Filter{Action: "signin.*"}, "signin.step"},
			"another family":    {Filter{Action: "user.*"}, "user.roles user.disabled"},
			"no action":         {Filter{Action: "%"}, ""},
			"failures":          {Filter{Outcome: Failure}, "signin"},
			"since":             {Filter{Since: start.Add(4 * time.Hour)}, "users.imported user.roles"},
			"until":             {Filter{Until: start.Add(time.Hour)}, "signin"},
			"a span":            {Filter{Since: start.Add(time.Hour), Until: start.Add(3 * time.Hour)}, "signin.step signin"},
		} {
			if got := strings.Join(listed(t, l, c.f), " "); got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
	})
}

func TestPagesOfEventsMissNoneAndRepeatNone(t *testing.T) {
	testkit.EachDB(t, func(t *testing.T, db *database.DB) {
		l, me := newLog(db), models.NewID()
		record(t, l, 23, me)
		var seen []models.ID
		before, pages := models.ID{}, 0
		for {
			list, more, err := l.List(t.Context(), Filter{About: me}, before, 5)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range list {
				seen = append(seen, r.ID)
			}
			record(t, l, 1, me) // what is new is not on older pages
			if pages++; !more {
				break
			}
			before = list[len(list)-1].ID
		}
		if len(slices.Compact(seenText(seen))) != 23 || pages != 5 {
			t.Errorf("%d events on %d pages", len(seen), pages)
		}
	})
}

func seenText(ids []models.ID) (list []string) {
	for _, id := range ids {
		list = append(list, id.String())
	}
	slices.Sort(list)
	return list
}

func TestAnEventIsShownWithoutWhatHelpsToGuessWhatWasErased(t *testing.T) {
	db := testkit.DB(t)
	l, me := newLog(db), models.NewID()
	record(t, l, 1, me)
	seal(t, l)
	err := db.Write(t.Context(), func(tx *gorm.DB) error { return l.Erase(tx, me, Event{}) })
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := l.List(t.Context(), Filter{}, models.ID{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(list)
	for _, never := range []string{"salt", "commitment", "hash", "192.0.2.7", "Firefox"} {
		if strings.Contains(string(text), never) {
			t.Errorf("%s is in %s", never, text)
		}
	}
	if r := list[1]; !r.Erased || r.Batch != 1 || r.Subject != me || r.Detail["method"] != "password" || list[0].Erased {
		t.Errorf("%s", text)
	}
}

func TestTheEventsOfAPersonOrADayAreFoundByAnIndex(t *testing.T) {
	db := testkit.DB(t)
	for want, f := range map[string]Filter{
		"audit_events_by_subject_id": {About: models.NewID()},
		"sqlite_autoindex":           {Since: time.Now()},
	} {
		var rows []models.AuditEvent
		made := f.where(db.Read(t.Context()).Session(&gorm.Session{DryRun: true})).Order("id DESC").Limit(50).Find(&rows).Statement
		var plan []struct{ Detail string }
		if err := db.Read(t.Context()).Raw("EXPLAIN QUERY PLAN "+made.SQL.String(), made.Vars...).Scan(&plan).Error; err != nil {
			t.Fatal(err)
		}
		if len(plan) == 0 || !strings.Contains(plan[0].Detail, want) {
			t.Errorf("%s: %+v", made.SQL.String(), plan)
		}
	}
}
