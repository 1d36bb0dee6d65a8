package tokens

import (
	"context"
	"regexp"
	"sync"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/internal/secrets"
	"gatehouse/models"
	"gatehouse/verify"
)

const (
	servicePrefix = "gh_sk_"
	serviceKind   = "service"
	// servicesEvery is how old the list in memory may be when somebody asks: a
	// removed service is refused within a second, and a caller who asks every
	// second costs no read of its own.
	servicesEvery = time.Second
	// seenEvery bounds the writes about who was here.
	seenEvery = time.Minute
)

// ErrNoService refuses a credential that is unknown or removed.
var ErrNoService = apperr.New(apperr.Unauthenticated, "service_unknown")

// serviceName is what an operator types and reads in lists.
var serviceName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Services owns the credentials of programs that follow the revocation log.
type Services struct {
	deps Deps
	log  *Log

	mu     sync.Mutex
	list   map[secrets.Hash]models.ServiceAccount
	loaded time.Time
	known  bool
	seen   map[models.ID]time.Time
}

func newServices(d Deps, l *Log) *Services {
	return &Services{deps: d, log: l, seen: map[models.ID]time.Time{}}
}

// Add makes a credential and returns it the one time it exists in the clear.
// The name of a removed service may be given again and gets a new secret.
func (s *Services) Add(ctx context.Context, name string, by Client) (secrets.Raw, error) {
	if !serviceName.MatchString(name) {
		return secrets.Raw{}, apperr.InvalidField("name", "service_name")
	}
	raw := secrets.NewToken(servicePrefix)
	hash, _ := secrets.HashOf(serviceKind, raw.Reveal())
	now := models.At(s.deps.Clock())
	err := s.deps.DB.Write(ctx, func(tx *gorm.DB) error {
		return s.add(tx, models.ServiceAccount{ID: models.NewID(), Name: name, SecretHash: hash.Bytes(), CreatedAt: now}, by)
	})
	if database.IsDuplicate(err) {
		err = apperr.New(apperr.Conflict, "conflict").WithField("name", apperr.Field{Reason: "taken"})
	}
	if err != nil {
		return secrets.Raw{}, err
	}
	s.Forget()
	return raw, nil
}

// add lets the unique name decide between two who add at once.
func (s *Services) add(tx *gorm.DB, row models.ServiceAccount, by Client) error {
	again := tx.Exec("UPDATE services SET secret_hash = ?, created_at = ?, disabled_at = NULL WHERE name = ? AND disabled_at IS NOT NULL",
		row.SecretHash, row.CreatedAt, row.Name)
	if again.Error != nil {
		return again.Error
	}
	if again.RowsAffected == 0 {
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
	}
	return s.record(tx, audit.ServiceAdded, row.Name, by)
}

// Remove ends a credential; false when there is none of that name. The end is
// in the revocation log, so that a receipt tells which nodes refuse it; its
// instances hear nothing more and refuse by their own bound.
func (s *Services) Remove(ctx context.Context, name string, by Client) (removed bool, err error) {
	err = s.log.Write(ctx, func(tx *gorm.DB) error {
		res := tx.Exec("UPDATE services SET disabled_at = ? WHERE name = ? AND disabled_at IS NULL", models.At(s.deps.Clock()), name)
		removed = res.Error == nil && res.RowsAffected == 1
		if !removed {
			return res.Error
		}
		var hash []byte
		if err := tx.Raw("SELECT secret_hash FROM services WHERE name = ?", name).Row().Scan(&hash); err != nil {
			return err
		}
		if err := s.log.Append(tx, Entry{Kind: EntryToken, Target: hash[:16]}); err != nil {
			return err
		}
		return s.record(tx, audit.ServiceRemoved, name, by)
	})
	s.Forget()
	return removed && err == nil, err
}

func (s *Services) record(tx *gorm.DB, action audit.Action, name string, by Client) error {
	event := by.event(action, models.ID{}, models.ID{})
	event.Detail = map[string]string{"service": name}
	return s.deps.Audit.Append(tx, event)
}

// List returns the services that may sign in, by name, without their hashes.
func (s *Services) List(ctx context.Context) ([]models.ServiceAccount, error) {
	var rows []models.ServiceAccount
	err := s.deps.DB.Read(ctx).Select("id", "name", "created_at", "last_seen_at").
		Where("disabled_at IS NULL").Order("name").Find(&rows).Error
	return rows, database.Unavailable(err)
}

// Authenticate finds the service of a credential, from memory but once a second.
func (s *Services) Authenticate(ctx context.Context, raw string) (*models.ServiceAccount, error) {
	if len(raw) != len(servicePrefix)+43 || raw[:len(servicePrefix)] != servicePrefix {
		return nil, ErrNoService
	}
	hash, _ := secrets.HashOf(serviceKind, raw)
	// Others wait for the list meanwhile, so that nobody may take long.
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	row, ok := s.list[hash]
	if !ok || s.log.Revoked(&verify.Principal{JTI: [16]byte(hash[:16])}) {
		return nil, ErrNoService
	}
	s.touch(ctx, row.ID)
	return &row, nil
}

// load reads the list when it is a second old. The services of a deployment
// are few, and all fit into one answer.
func (s *Services) load(ctx context.Context) error {
	now := s.deps.Clock()
	if s.known && elapsed(s.loaded, now) < servicesEvery {
		return nil
	}
	var rows []models.ServiceAccount
	err := s.deps.DB.CausalRead(ctx, func(c *gorm.DB) error {
		return c.Where("disabled_at IS NULL").Find(&rows).Error
	})
	if err != nil {
		return database.Unavailable(err)
	}
	s.list = make(map[secrets.Hash]models.ServiceAccount, len(rows))
	for _, row := range rows {
		if len(row.SecretHash) == len(secrets.Hash{}) {
			s.list[secrets.Hash(row.SecretHash)] = row
		}
	}
	s.loaded, s.known = now, true
	return nil
}

// touch remembers that a service was here, for the operator's list alone: a
// fault is logged and refuses nobody.
func (s *Services) touch(ctx context.Context, id models.ID) {
	now := s.deps.Clock()
	if last, ok := s.seen[id]; ok && elapsed(last, now) < seenEvery {
		return
	}
	s.seen[id] = now
	if _, err := s.deps.DB.Exec(ctx, "UPDATE services SET last_seen_at = ? WHERE id = ?", models.At(now), id); err != nil {
		s.deps.Log.Warn("noting that a service was here failed", "error", err)
	}
}

// Forget has the next caller read the list again. The node that changed it does
// so at once; the others come to it within servicesEvery.
func (s *Services) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = false
}
