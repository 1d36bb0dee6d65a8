package accounts

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"gatehouse/models"
)

// The rows of a download. Each names its fields one by one, so that no column
// gets out because somebody added it: hashes, seeds, keys and epochs stay here.

func moment(t models.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

type accountJSON struct {
	ID                string     `json:"id"`
	Email             string     `json:"email"`
	EmailVerifiedAt   *time.Time `json:"email_verified_at"`
	Username          *string    `json:"username"`
	Name              string     `json:"name"`
	Locale            string     `json:"locale"`
	Roles             []string   `json:"roles"`
	HasPassword       bool       `json:"has_password"`
	PasswordChangedAt *time.Time `json:"password_changed_at"`
	SignIns           int64      `json:"sign_ins"`
	LastSignInAt      *time.Time `json:"last_sign_in_at"`
	DisabledAt        *time.Time `json:"disabled_at"`
	EraseAt           *time.Time `json:"erase_at"`
	CreatedAt         *time.Time `json:"created_at"`
	UpdatedAt         *time.Time `json:"updated_at"`
	ExternalID        *string    `json:"external_id"`
}

func accountData(u *models.User, external []models.ExternalID) accountJSON {
	out := accountJSON{
		ID: u.ID.String(), Email: u.Email, EmailVerifiedAt: moment(u.EmailVerifiedAt), Username: u.Username, Name: u.Name,
		Locale: u.Locale, Roles: u.Roles.List(), HasPassword: u.PasswordHash != "", PasswordChangedAt: moment(u.PasswordChangedAt),
		SignIns: u.SignIns, LastSignInAt: moment(u.LastSignInAt), DisabledAt: moment(u.DisabledAt), EraseAt: moment(u.EraseAt),
		CreatedAt: moment(u.CreatedAt), UpdatedAt: moment(u.UpdatedAt),
	}
	if len(external) > 0 {
		id := string(external[0].ExternalID)
		out.ExternalID = &id
	}
	return out
}

type invitationJSON struct {
	Roles      []string   `json:"roles"`
	SentAt     *time.Time `json:"sent_at"`
	AcceptedAt *time.Time `json:"accepted_at"`
}

func invitationData(list []models.Invitation) *invitationJSON {
	if len(list) == 0 {
		return nil
	}
	return &invitationJSON{list[0].Roles.List(), moment(list[0].CreatedAt), moment(list[0].AcceptedAt)}
}

type nameJSON struct {
	Kind      string     `json:"kind"`
	Name      string     `json:"name"`
	KeptUntil *time.Time `json:"kept_until"`
}

func nameData(list []models.ReservedName) []nameJSON {
	out := make([]nameJSON, len(list))
	for i, r := range list {
		out[i] = nameJSON{r.Kind, string(r.NameKey), moment(r.Until)}
	}
	return out
}

type changeJSON struct {
	From      string     `json:"from"`
	To        string     `json:"to"`
	AskedAt   *time.Time `json:"asked_at"`
	ChangedAt *time.Time `json:"changed_at"`
	UndoneAt  *time.Time `json:"undone_at"`
}

func changeData(list []models.EmailChange) []changeJSON {
	out := make([]changeJSON, len(list))
	for i, c := range list {
		out[i] = changeJSON{c.OldEmail, c.Email, moment(c.CreatedAt), moment(c.ChangedAt), moment(c.UndoneAt)}
	}
	return out
}

type deviceJSON struct {
	LastSeen string `json:"last_seen"` // a day
}

// deviceData tells the days and not the marks, which say nothing to anybody.
func deviceData(list []models.KnownDevices) []deviceJSON {
	out := []deviceJSON{}
	for _, row := range list {
		for marks := row.Marks; len(marks) >= entrySize; marks = marks[entrySize:] {
			day := time.Unix(int64(binary.BigEndian.Uint32(marks[markSize:entrySize]))*24*60*60, 0)
			out = append(out, deviceJSON{day.UTC().Format(time.DateOnly)})
		}
	}
	return out
}

type sessionJSON struct {
	ID            string     `json:"id"`
	Client        string     `json:"client"`
	Methods       []string   `json:"methods"`
	Assurance     string     `json:"assurance"`
	ProvedAt      *time.Time `json:"proved_at"`
	IP            string     `json:"ip"`
	UserAgent     string     `json:"user_agent"`
	CreatedAt     *time.Time `json:"created_at"`
	LastSeenAt    *time.Time `json:"last_seen_at"`
	IdleUntil     *time.Time `json:"idle_until"`
	AbsoluteUntil *time.Time `json:"absolute_until"`
	EndedAt       *time.Time `json:"ended_at"`
	EndedWhy      string     `json:"ended_why"`
}

func sessionData(r *models.Session) sessionJSON {
	return sessionJSON{
		ID: r.ID.String(), Client: r.ClientID, Methods: r.AMR.List(), Assurance: r.ACR, ProvedAt: moment(r.AuthTime), IP: r.IP,
		UserAgent: r.UserAgent, CreatedAt: moment(r.CreatedAt), LastSeenAt: moment(r.LastSeenAt), IdleUntil: moment(r.IdleUntil),
		AbsoluteUntil: moment(r.AbsoluteUntil), EndedAt: moment(r.EndedAt), EndedWhy: r.EndedWhy,
	}
}

type familyJSON struct {
	ID            string     `json:"id"`
	Session       string     `json:"session"`
	Client        string     `json:"client"`
	Scopes        []string   `json:"scopes"`
	Audience      string     `json:"audience"`
	Refreshes     int64      `json:"refreshes"`
	CreatedAt     *time.Time `json:"created_at"`
	IdleUntil     *time.Time `json:"idle_until"`
	AbsoluteUntil *time.Time `json:"absolute_until"`
	EndedAt       *time.Time `json:"ended_at"`
	EndedWhy      string     `json:"ended_why"`
}

func familyData(r *models.RefreshFamily) familyJSON {
	return familyJSON{
		ID: r.ID.String(), Session: r.SessionID.String(), Client: r.ClientID, Scopes: r.Scope.List(), Audience: r.Audience,
		Refreshes: r.Generation, CreatedAt: moment(r.CreatedAt), IdleUntil: moment(r.IdleUntil),
		AbsoluteUntil: moment(r.AbsoluteUntil), EndedAt: moment(r.EndedAt), EndedWhy: r.EndedWhy,
	}
}

type personalJSON struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Scopes      []string   `json:"scopes"`
	CreatedAt   *time.Time `json:"created_at"`
	ExpiresAt   *time.Time `json:"expires_at"`
	LastUsedAt  *time.Time `json:"last_used_at"`
	LastUsedIP  string     `json:"last_used_ip"`
	LastUsedVia string     `json:"last_used_via"`
	EndedAt     *time.Time `json:"ended_at"`
	EndedWhy    string     `json:"ended_why"`
}

func personalData(r *models.PersonalToken) personalJSON {
	return personalJSON{
		ID: r.ID.String(), Name: r.Name, Scopes: r.Scope.List(), CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt),
		LastUsedAt: moment(r.LastUsedAt), LastUsedIP: r.LastUsedIP, LastUsedVia: r.LastUsedVia, EndedAt: moment(r.EndedAt), EndedWhy: r.EndedWhy,
	}
}

type linkJSON struct {
	Kind      string     `json:"kind"`
	CreatedAt *time.Time `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at"`
	UsedAt    *time.Time `json:"used_at"`
}

func linkData(r *models.OneTimeToken) linkJSON {
	return linkJSON{r.Kind, moment(r.CreatedAt), moment(r.ExpiresAt), moment(r.UsedAt)}
}

type mailJSON struct {
	Purpose   string     `json:"purpose"`
	Language  string     `json:"language"`
	State     string     `json:"state"`
	CreatedAt *time.Time `json:"created_at"`
	SentAt    *time.Time `json:"sent_at"`
}

func mailData(r *models.OutboxMail) mailJSON {
	return mailJSON{r.Purpose, r.Locale, r.State, moment(r.CreatedAt), moment(r.SentAt)}
}

type eventJSON struct {
	ID      string     `json:"id"`
	At      *time.Time `json:"at"`
	Action  string     `json:"action"`
	Outcome string     `json:"outcome"`
	Reason  string     `json:"reason"`
	// By is "you", "another" or "unknown": who did it is another's data.
	By      string          `json:"by"`
	Session *string         `json:"session"`
	Client  string          `json:"client"`
	Detail  json.RawMessage `json:"detail"`
	From    json.RawMessage `json:"from"` // network address and device, not those of another person
}

func eventData(r *models.AuditEvent) eventJSON {
	out := eventJSON{
		ID: r.ID.String(), At: moment(r.At), Action: r.Action, Outcome: r.Outcome, Reason: r.Reason, By: "unknown",
		Client: r.ClientID, Detail: r.Detail, From: r.Personal,
	}
	switch {
	case r.ActorID == r.SubjectID:
		out.By = "you"
	case !r.ActorID.IsZero():
		out.By, out.From = "another", nil
	}
	if !r.SessionID.IsZero() && out.By == "you" {
		id := r.SessionID.String()
		out.Session = &id
	}
	return out
}
