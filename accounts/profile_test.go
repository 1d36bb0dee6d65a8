package accounts

import "testing"

// The clock of the test stands still: MySQL does not count a row that holds the
// values already.
func TestAProfileThatIsSavedTwiceAtOneMomentIsThere(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("ada@example.com", "ada")
		name := "Ada"
		for range 3 {
			if got, err := h.UpdateProfile(h.ctx(), u.ID, Profile{Name: &name}, visitor); err != nil || got.Name != name {
				t.Error(got, err)
			}
		}
	})
}
