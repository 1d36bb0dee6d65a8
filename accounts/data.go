package accounts

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"hash"
	"io"
	"time"

	"gorm.io/gorm"

	"gatehouse/audit"
	"gatehouse/internal/database"
	"gatehouse/internal/ratelimit"
	"gatehouse/models"
	"gatehouse/tokens"
)

// DataFormat names the shape of a download; docs/my-data.md describes it.
const DataFormat = "gatehouse-my-data/1"

// MyData writes everything that is known of a person, on a fresh proof of that
// person (security rule 12): a stolen session must not carry off a life. An
// error before the first byte leaves w untouched.
func (s *Service) MyData(ctx context.Context, proof tokens.Proof, w io.Writer, by tokens.Client) error {
	if err := s.StepUp(ctx, proof); err != nil {
		return err
	}
	// It bounds the reading that one person can cause.
	if err := s.Limits.Take(ctx, ratelimit.Data, proof.User.String()); err != nil {
		return err
	}
	return s.data(ctx, proof.User, w, ownEvent(audit.DataGiven, proof.User, by))
}

// DataOf is MyData on an operator's word.
func (s *Service) DataOf(ctx context.Context, id models.ID, w io.Writer, by tokens.Client) error {
	return s.data(ctx, id, w, event(audit.DataGiven, id, by))
}

func (s *Service) data(ctx context.Context, id models.ID, w io.Writer, e audit.Event) error {
	u, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	facts, err := s.dataFacts(ctx, u)
	if err != nil {
		return err
	}
	// First, so that the download is part of itself.
	if err := s.Audit.Record(ctx, e); err != nil {
		return err
	}
	out := newDataWriter(w)
	out.head(dataHead{DataFormat, s.Config.BaseURL, s.Clock().UTC().Truncate(time.Second)}, facts)
	if err := s.dataLists(ctx, u, out); err != nil {
		return err
	}
	return out.end(func(sum []byte, size int64) (string, error) {
		signed, err := s.Tokens.SignData(u.ID, sum, size)
		return signed.Reveal(), err
	})
}

// dataFacts reads what there is one or few of.
func (s *Service) dataFacts(ctx context.Context, u *models.User) ([]member, error) {
	var changes []models.EmailChange
	var names []models.ReservedName
	var external []models.ExternalID
	var devices []models.KnownDevices
	var invited []models.Invitation
	factors := &FactorFacts{Passkeys: []PasskeyFacts{}, TrustedBrowsers: []TrustedFacts{}}
	err := s.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		for _, find := range []func() error{
			func() error { return tx.Where("user_id = ?", u.ID).Order("id").Find(&changes).Error },
			func() error { return tx.Where("user_id = ?", u.ID).Order("kind, name_key").Find(&names).Error },
			func() error { return tx.Where("user_id = ?", u.ID).Find(&external).Error },
			func() error { return tx.Where("user_id = ?", u.ID).Find(&devices).Error },
			func() error { return tx.Where("id = ?", u.ID).Find(&invited).Error },
			func() (err error) {
				if s.Factors.Describe != nil {
					factors, err = s.Factors.Describe(tx, u.ID)
				}
				return err
			},
		} {
			if err := find(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, database.Unavailable(err)
	}
	return []member{
		{"account", accountData(u, external)}, {"factors", factors}, {"invitation", invitationData(invited)},
		{"kept_names", nameData(names)}, {"address_changes", changeData(changes)}, {"known_devices", deviceData(devices)},
	}, nil
}

// dataLists writes what there may be very much of, a page at a time.
func (s *Service) dataLists(ctx context.Context, u *models.User, out *dataWriter) error {
	since := u.EmailVerifiedAt // the mails before went to whoever had the address then
	if since.IsZero() {
		since = u.CreatedAt
	}
	for _, l := range []struct {
		name string
		read func(row func(any) error) error
	}{
		{"sessions", func(row func(any) error) error {
			return s.Tokens.EachSession(ctx, u.ID, func(r *models.Session) error { return row(sessionData(r)) })
		}},
		{"refresh_families", func(row func(any) error) error {
			return s.Tokens.EachFamily(ctx, u.ID, func(r *models.RefreshFamily) error { return row(familyData(r)) })
		}},
		{"personal_tokens", func(row func(any) error) error {
			return s.Tokens.EachPersonal(ctx, u.ID, func(r *models.PersonalToken) error { return row(personalData(r)) })
		}},
		{"links", func(row func(any) error) error {
			return s.Tokens.EachLink(ctx, u.ID, func(r *models.OneTimeToken) error { return row(linkData(r)) })
		}},
		{"mails", func(row func(any) error) error {
			return s.Mail.Each(ctx, Mailbox(u.Email, u.EmailKey), since.Time, func(r *models.OutboxMail) error { return row(mailData(r)) })
		}},
		{"events", func(row func(any) error) error {
			return s.Audit.Each(ctx, u.ID, func(r *models.AuditEvent) error { return row(eventData(r)) })
		}},
	} {
		if err := out.list(l.name, l.read); err != nil {
			return err
		}
	}
	return nil
}

// member is one name and value of the document.
type member struct {
	name  string
	value any
}

// dataWriter writes the document: a member or a row of a list on each line, and
// on the last but one the signature over all lines before it. A line break in a
// value is escaped by JSON, so that lines are what they seem.
type dataWriter struct {
	out  *bufio.Writer
	sum  hash.Hash
	size int64
	err  error
}

func newDataWriter(w io.Writer) *dataWriter {
	return &dataWriter{out: bufio.NewWriterSize(w, 64<<10), sum: sha256.New()}
}

func (d *dataWriter) write(parts ...[]byte) {
	for _, p := range parts {
		if d.err != nil {
			return
		}
		d.sum.Write(p)
		d.size += int64(len(p))
		_, d.err = d.out.Write(p)
	}
}

func (d *dataWriter) json(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil && d.err == nil {
		d.err = err
	}
	return b
}

func (d *dataWriter) member(name string, value any) {
	d.write(d.json(name), []byte(": "), d.json(value), []byte(",\n"))
}

type dataHead struct {
	format, issuer string
	madeAt         time.Time
}

func (d *dataWriter) head(h dataHead, facts []member) {
	d.write([]byte("{\n"))
	d.member("format", h.format)
	d.member("issuer", h.issuer)
	d.member("made_at", h.madeAt)
	for _, m := range facts {
		d.member(m.name, m.value)
	}
}

func (d *dataWriter) list(name string, read func(row func(any) error) error) error {
	d.write(d.json(name), []byte(": ["))
	separator := []byte("\n")
	err := read(func(v any) error {
		d.write(separator, d.json(v))
		separator = []byte(",\n")
		return d.err
	})
	d.write([]byte("\n],\n"))
	if err != nil {
		return err
	}
	return d.err
}

// end signs what was written, so that a file without its last lines is known
// for a broken one.
func (d *dataWriter) end(sign func(sum []byte, size int64) (string, error)) error {
	if d.err != nil {
		return d.err
	}
	signature, err := sign(d.sum.Sum(nil), d.size)
	if err != nil {
		return err
	}
	d.write([]byte(`"signature": `), d.json(signature), []byte("\n}\n"))
	if d.err != nil {
		return d.err
	}
	return d.out.Flush()
}
