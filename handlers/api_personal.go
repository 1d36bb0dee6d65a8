package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/tokens"
)

// personalJSON is a personal token as its owner sees it in a list.
type personalJSON struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Scopes      []string `json:"scopes"`
	CreatedAt   string   `json:"created_at"`
	ExpiresAt   string   `json:"expires_at"`
	LastUsedAt  *string  `json:"last_used_at"`
	LastUsedIP  string   `json:"last_used_ip,omitempty"`
	LastUsedVia string   `json:"last_used_via,omitempty"`
}

type personalListJSON struct {
	Tokens []personalJSON `json:"tokens"`
}

// madePersonalJSON is a token the one time it is shown.
type madePersonalJSON struct {
	Token string `json:"token"`
	personalJSON
}

type makePersonalBody struct {
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`
	ExpiresAt *string  `json:"expires_at"`
}

func personalOf(t models.PersonalToken) personalJSON {
	out := personalJSON{
		ID: t.ID.String(), Name: t.Name, Scopes: t.Scope.List(), CreatedAt: stamp(t.CreatedAt.Time), ExpiresAt: stamp(t.ExpiresAt.Time),
		LastUsedIP: t.LastUsedIP, LastUsedVia: t.LastUsedVia,
	}
	if !t.LastUsedAt.IsZero() {
		used := stamp(t.LastUsedAt.Time)
		out.LastUsedAt = &used
	}
	return out
}

// apiPersonal answers GET /api/v1/me/tokens.
func (a *app) apiPersonal(c *gin.Context) error {
	rows, err := a.Tokens.Personal.List(c.Request.Context(), whoIs(c).user)
	if err != nil {
		return err
	}
	answer := personalListJSON{Tokens: make([]personalJSON, len(rows))}
	for i, t := range rows {
		answer.Tokens[i] = personalOf(t)
	}
	return ok(c, answer)
}

// apiMakePersonal answers POST /api/v1/me/tokens.
func (a *app) apiMakePersonal(c *gin.Context) error {
	var in makePersonalBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	wanted := tokens.NewPersonal{Name: in.Name, Scopes: in.Scopes}
	if in.ExpiresAt != nil {
		var err error
		if wanted.ExpiresAt, err = parseEnd(*in.ExpiresAt); err != nil {
			return err
		}
	}
	made, err := a.Tokens.Personal.Make(c.Request.Context(), whoIs(c).user, wanted, a.web.Client(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, madePersonalJSON{made.Token.Reveal(), personalOf(made.PersonalToken)})
	return nil
}

// parseEnd reads a moment (RFC 3339), or a date, which means its last second in
// UTC: what a person picks in a calendar still works on that day.
func parseEnd(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Second), nil
	}
	end, err := time.Parse(time.RFC3339, text)
	if err != nil || end.Year() > 9999 {
		return time.Time{}, apperr.InvalidField("expires_at", "not_a_date")
	}
	return end, nil
}

// apiEndPersonal answers DELETE /api/v1/me/tokens/:id. The token of another
// person is not found (rule 21).
func (a *app) apiEndPersonal(c *gin.Context) error {
	ctx, receipt, err := a.receipt(c)
	if err != nil {
		return err
	}
	if err := a.endPersonal(ctx, whoIs(c).user, c.Param("id"), a.by(c)); err != nil {
		return err
	}
	return a.ended(c, receipt)
}

func (a *app) endPersonal(ctx context.Context, user models.ID, typed string, by tokens.Client) error {
	id, err := models.ParseID(typed)
	if err != nil {
		return apperr.New(apperr.NotFound, "not_found")
	}
	ended, err := a.Tokens.Personal.End(ctx, user, id, tokens.WhyEnded, by)
	if err != nil {
		return err
	}
	if !ended {
		return apperr.New(apperr.NotFound, "not_found")
	}
	return nil
}
