package handlers

import "gatehouse/internal/apperr"

// required refuses empty fields before any room is asked: an empty secret
// must never reach a query (rule 4). Pairs are name, value.
func required(pairs ...string) error {
	var wrong *apperr.Error
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			continue
		}
		if wrong == nil {
			wrong = apperr.New(apperr.Invalid, "validation_failed")
		}
		wrong = wrong.WithField(pairs[i], apperr.Field{Reason: "required"})
	}
	if wrong == nil {
		return nil
	}
	return wrong
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
