package apperr

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestAnErrorKeepsItsCauseHiddenButFindable(t *testing.T) {
	cause := errors.New("disk on fire")
	err := fmt.Errorf("saving: %w", NotNow(time.Second, cause))
	e := From(err)
	if e.Kind != Unavailable || e.RetryAfter != time.Second || !errors.Is(err, cause) {
		t.Errorf("got %+v", e)
	}
}

func TestAStrangeErrorIsInternal(t *testing.T) {
	if e := From(errors.New("x")); e.Kind != Internal || e.Reason != "internal" {
		t.Errorf("got %+v", e)
	}
	if From(nil) != nil || Reason(nil) != "" {
		t.Error("nil became an error")
	}
}

func TestFieldsAreAddedToACopy(t *testing.T) {
	base := New(Invalid, "validation_failed")
	two := base.WithField("email", Field{Reason: "required"}).WithField("name", Field{Reason: "too_long"})
	if len(base.Fields) != 0 || len(two.Fields) != 2 || !errors.Is(two, base) {
		t.Errorf("base %+v, two %+v", base, two)
	}
	if two.Error() != "validation_failed (email=required, name=too_long)" {
		t.Errorf("got %q", two)
	}
}
