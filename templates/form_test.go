package templates

import (
	"slices"
	"testing"
)

func TestSecretsAreNeverShownAgain(t *testing.T) {
	typed := map[string]string{"username": "mara", "password": "x", "new_password": "x", "current_password": "x", "code": "418207", "token": "x"}
	f := NewForm(typed, Mistake{})
	if len(f.Typed) != 1 || f.Value("username") != "mara" {
		t.Errorf("kept %v", f.Typed)
	}
}

func TestAMistakeStandsWhereItBelongs(t *testing.T) {
	f := NewForm(nil, Mistake{Reason: "invalid_credentials", Text: "No match."})
	if f.Wrong["password"] != "No match." || f.Alert != nil {
		t.Errorf("a refusal is %+v", f)
	}
	f = NewForm(nil, Mistake{Reason: "too_many_attempts", Text: "Too many. Try at 10:24. Or later.", Throttled: true})
	if a := f.Alert; a == nil || a.Kind != Warn || a.Title != "Too many." || a.Text != "Try at 10:24. Or later." {
		t.Errorf("a throttle is %+v", f.Alert)
	}
	f = NewForm(nil, Mistake{Reason: "link_ended", Text: "It has ended."})
	if a := f.Alert; a == nil || a.Kind != Bad || a.Title != "It has ended." || a.Text != "" {
		t.Errorf("an ended link is %+v", f.Alert)
	}
}

// A field that the page does not show cannot carry the words.
func TestAMistakeOfAnUnknownFieldIsToldAboveTheForm(t *testing.T) {
	f := NewForm(nil, Mistake{Reason: "validation_failed", Text: "Look again.", Fields: map[string]string{"shoes": "No."}})
	if len(f.Wrong) != 0 || f.Alert == nil || f.Alert.Title != "Look again." {
		t.Errorf("it is %+v, %+v", f.Wrong, f.Alert)
	}
}

func TestAFormWithoutAMistakeHasNotFailed(t *testing.T) {
	if f := NewForm(map[string]string{"name": "Mara"}, Mistake{}); f.Failed() || f.Summary() != nil {
		t.Errorf("it is %+v", f)
	}
}

func TestFieldsNameTheirErrorBeforeTheirHint(t *testing.T) {
	f := Form{Wrong: map[string]string{"email": "x", "password": "y"}}
	for _, c := range []struct {
		name string
		hint bool
		want string
	}{
		{"email", true, ` aria-describedby="email-wrong email-hint" aria-invalid="true" autofocus`},
		{"password", false, ` aria-describedby="password-wrong" aria-invalid="true"`},
		{"name", true, ` aria-describedby="name-hint"`},
		{"name", false, ``},
	} {
		if got := f.Describe(c.name, c.hint); string(got) != c.want {
			t.Errorf("%s has%s", c.name, got)
		}
	}
	if !slices.Equal(f.Summary(), []string{"email", "password"}) {
		t.Errorf("the summary is %v", f.Summary())
	}
}

func TestTheLanguageSwitchKeepsThePlace(t *testing.T) {
	for query, want := range map[string]string{
		"":                            "/verify?lang=de",
		"token=gh_vf_abc&lang=en":     "/verify?lang=de&token=gh_vf_abc",
		"return_to=%2Faccount%3Fa%3D": "/verify?lang=de&return_to=%2Faccount%3Fa%3D",
		"%zz":                         "/verify?lang=de",
	} {
		if got := switchTo(Layout{Path: "/verify", Query: query}, "de"); got != want {
			t.Errorf("%q leads to %q, want %q", query, got, want)
		}
	}
}

func TestBackticksInProseAreCode(t *testing.T) {
	for text, want := range map[string]string{
		"`a` or `b<`.": "<code>a</code> or <code>b&lt;</code>.", "a < b": "a &lt; b", "one ` alone": "one ` alone", "": "",
	} {
		if got := prose(text); string(got) != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}
