package handlers_test

import (
	"strings"
	"testing"

	"gatehouse/internal/testserver"
)

// Nobody who is not signed in may fill the table of sessions by signing out.
func TestASignOutOfNobodyLeavesNoRow(t *testing.T) {
	s := testserver.New(t)
	for range 3 {
		b := s.Browser()
		b.SetCookie("gatehouse", "gh_ws_"+strings.Repeat("a", 43))
		b.Post("/logout").Leads("/login")
		if got := b.Cookie("gatehouse"); got != "" {
			t.Errorf("the dead cookie %q stays", got)
		}
		s.Browser().Post("/logout").Leads("/login")
	}
	var n int64
	if err := s.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM sessions").Scan(&n).Error; err != nil || n != 0 {
		t.Errorf("%d sessions of nobody, %v", n, err)
	}
}
