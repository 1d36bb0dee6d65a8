package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/models"
	"gatehouse/templates"
)

// trustedJSON is a browser that its owner is not asked for a second factor in.
type trustedJSON struct {
	ID         string  `json:"id"`
	Device     string  `json:"device"`
	CreatedAt  string  `json:"created_at"`
	ExpiresAt  string  `json:"expires_at"`
	LastUsedAt *string `json:"last_used_at"`
}

type trustedListJSON struct {
	Trusted []trustedJSON `json:"trusted"`
}

func trustedOf(d models.TrustedDevice) trustedJSON {
	out := trustedJSON{
		ID: d.ID.String(), Device: templates.Device(d.UserAgent).String(),
		CreatedAt: stamp(d.CreatedAt.Time), ExpiresAt: stamp(d.ExpiresAt.Time),
	}
	if !d.LastUsedAt.IsZero() {
		used := stamp(d.LastUsedAt.Time)
		out.LastUsedAt = &used
	}
	return out
}

// apiTrusted answers GET /api/v1/me/trusted.
func (a *app) apiTrusted(c *gin.Context) error {
	u, err := a.me(c)
	if err != nil {
		return err
	}
	list, err := a.SignIn.TrustedDevices(c.Request.Context(), u)
	if err != nil {
		return err
	}
	answer := trustedListJSON{Trusted: make([]trustedJSON, len(list))}
	for i, d := range list {
		answer.Trusted[i] = trustedOf(d)
	}
	return ok(c, answer)
}

// apiDistrustAll answers DELETE /api/v1/me/trusted. No token ends with it, so
// that there is nothing to wait for.
func (a *app) apiDistrustAll(c *gin.Context) error { return a.apiEndTrust(c, models.ID{}) }

// apiDistrust answers DELETE /api/v1/me/trusted/:id. The browser of another
// person is not found (rule 21), and the zero id is nobody's.
func (a *app) apiDistrust(c *gin.Context) error {
	id, err := models.ParseID(c.Param("id"))
	if err != nil || id.IsZero() {
		return apperr.New(apperr.NotFound, "not_found")
	}
	return a.apiEndTrust(c, id)
}

func (a *app) apiEndTrust(c *gin.Context, id models.ID) error {
	if _, err := a.SignIn.Distrust(c.Request.Context(), whoIs(c).user, id, a.by(c)); err != nil {
		return err
	}
	return noContent(c)
}
