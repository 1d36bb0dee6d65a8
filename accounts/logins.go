package accounts

import (
	"context"

	"gatehouse/internal/database"
	"gatehouse/models"
)

// mostLogins bounds one question.
const mostLogins = 500

// Logins are the names by which people are known to administrators: the username,
// else the address. Who was erased has none.
func (s *Service) Logins(ctx context.Context, ids []models.ID) (map[models.ID]string, error) {
	names := make(map[models.ID]string, len(ids))
	var keys [][]byte
	for _, id := range ids {
		if _, asked := names[id]; !asked && !id.IsZero() && len(keys) < mostLogins {
			names[id] = ""
			keys = append(keys, id.Bytes())
		}
	}
	clear(names)
	if len(keys) == 0 {
		return names, nil
	}
	var rows []models.User
	err := s.DB.Read(ctx).Select("id", "username", "email").Where("id IN ?", keys).Find(&rows).Error
	for i := range rows {
		names[rows[i].ID] = rows[i].Email
		if rows[i].Username != nil {
			names[rows[i].ID] = *rows[i].Username
		}
	}
	return names, database.Unavailable(err)
}
