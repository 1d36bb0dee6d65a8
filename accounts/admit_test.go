package accounts

import (
	"testing"

	"gatehouse/models"
	"gatehouse/tokens"
)

func TestOnlyAnEnabledPersonIsAdmitted(t *testing.T) {
	someone := models.NewID()
	for want, s := range map[string]tokens.Subject{
		"": {ID: someone, Enabled: true}, "account_disabled": {ID: someone}, "unknown_subject": {Enabled: true},
	} {
		if v := Admit(t.Context(), s); v.Reason != want || v.OK != (want == "") {
			t.Errorf("%+v: got %+v, want %q", s, v, want)
		}
	}
}
