package passwords

import "testing"

func TestOnlyAMarkedContextHasPriority(t *testing.T) {
	if hasPriority(t.Context()) || !hasPriority(WithPriority(t.Context())) {
		t.Error("the mark is not what it says")
	}
}
