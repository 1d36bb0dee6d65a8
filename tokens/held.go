package tokens

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// What this room keeps of a person, row by row and without a hash in it, for a
// download of one's data.

func ofUser(user models.ID, columns ...string) func(tx *gorm.DB) *gorm.DB {
	return func(tx *gorm.DB) *gorm.DB { return tx.Select(columns).Where("user_id = ?", user) }
}

// EachSession reads the sessions of a person, ended ones as well.
func (s *Service) EachSession(ctx context.Context, user models.ID, yield func(*models.Session) error) error {
	return database.Each(ctx, s.db, ofUser(user, "id", "client_id", "auth_time", "acr", "amr", "ip", "user_agent",
		"created_at", "last_seen_at", "idle_until", "absolute_until", "ended_at", "ended_why"),
		func(r *models.Session) models.ID { return r.ID }, yield)
}

// EachFamily reads the refresh families of a person.
func (s *Service) EachFamily(ctx context.Context, user models.ID, yield func(*models.RefreshFamily) error) error {
	return database.Each(ctx, s.db, ofUser(user, "id", "session_id", "client_id", "scope", "audience", "generation",
		"created_at", "idle_until", "absolute_until", "ended_at", "ended_why"),
		func(r *models.RefreshFamily) models.ID { return r.ID }, yield)
}

// EachPersonal reads the personal tokens of a person, ended ones as well.
func (s *Service) EachPersonal(ctx context.Context, user models.ID, yield func(*models.PersonalToken) error) error {
	return database.Each(ctx, s.db, ofUser(user, "id", "name", "scope", "created_at", "expires_at",
		"last_used_at", "last_used_ip", "last_used_via", "ended_at", "ended_why"),
		func(r *models.PersonalToken) models.ID { return r.ID }, yield)
}

// EachLink reads the mailed links and codes of a person.
func (s *Service) EachLink(ctx context.Context, user models.ID, yield func(*models.OneTimeToken) error) error {
	return database.Each(ctx, s.db, func(tx *gorm.DB) *gorm.DB {
		return tx.Select("id", "kind", "created_at", "expires_at", "used_at").Where("subject = ?", user)
	}, func(r *models.OneTimeToken) models.ID { return r.ID }, yield)
}
