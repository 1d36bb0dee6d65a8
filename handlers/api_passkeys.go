package handlers

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/signin"
)

// passkeyJSON is a passkey as its owner sees it.
type passkeyJSON struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	CredentialID string   `json:"credential_id"`
	RPID         string   `json:"rp_id"`
	AAGUID       *string  `json:"aaguid"`
	Transports   []string `json:"transports"`
	Synced       bool     `json:"synced"`    // it may be copied to other devices
	BackedUp     bool     `json:"backed_up"` // and has been
	CreatedAt    string   `json:"created_at"`
	LastUsedAt   *string  `json:"last_used_at"`
}

type passkeysJSON struct {
	Passkeys []passkeyJSON `json:"passkeys"`
}

func passkeyOf(k models.Passkey) passkeyJSON {
	out := passkeyJSON{
		ID: k.ID.String(), Name: k.Name, CredentialID: base64.RawURLEncoding.EncodeToString(k.CredentialID), RPID: k.RPID,
		Transports: k.Transports.List(), Synced: k.BackupEligible != 0, BackedUp: k.BackupState != 0, CreatedAt: stamp(k.CreatedAt.Time),
	}
	if out.Transports == nil {
		out.Transports = []string{}
	}
	if !k.AAGUID.IsZero() {
		aaguid := k.AAGUID.String()
		out.AAGUID = &aaguid
	}
	if !k.LastUsedAt.IsZero() {
		used := stamp(k.LastUsedAt.Time)
		out.LastUsedAt = &used
	}
	return out
}

// apiPasskeys answers GET /api/v1/me/factors/passkeys.
func (a *app) apiPasskeys(c *gin.Context) error {
	list, err := a.Passkeys.List(c.Request.Context(), whoIs(c).user)
	if err != nil {
		return err
	}
	answer := passkeysJSON{Passkeys: make([]passkeyJSON, len(list))}
	for i, k := range list {
		answer.Passkeys[i] = passkeyOf(k)
	}
	return ok(c, answer)
}

// apiPasskeyOwner is who changes their passkeys by a token.
func (a *app) apiPasskeyOwner(c *gin.Context) (signin.PasskeyOwner, error) {
	u, err := a.me(c)
	return signin.PasskeyOwner{User: u, Proof: middleware.Proof(c), By: a.by(c)}, err
}

// apiAddPasskeyBegin answers POST /api/v1/me/factors/passkeys/begin.
func (a *app) apiAddPasskeyBegin(c *gin.Context) error {
	if err := middleware.DecodeOptionalJSON(c.Request, &struct{}{}); err != nil {
		return err
	}
	o, err := a.apiPasskeyOwner(c)
	if err != nil {
		return err
	}
	return options(c, "")(a.Passkeys.BeginRegister(c.Request.Context(), o.User, o.Proof.Session, false))
}

type addPasskeyBody struct {
	Credential json.RawMessage `json:"credential"`
	Name       string          `json:"name"`
}

// apiAddPasskey answers POST /api/v1/me/factors/passkeys.
func (a *app) apiAddPasskey(c *gin.Context) error {
	var in addPasskeyBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("credential", string(in.Credential)); err != nil {
		return err
	}
	o, err := a.apiPasskeyOwner(c)
	if err != nil {
		return err
	}
	key, _, err := a.SignIn.AddPasskey(c.Request.Context(), o, signin.NewPasskey{Credential: in.Credential, Name: in.Name})
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, passkeyOf(key))
	return nil
}

type renamePasskeyBody struct {
	Name string `json:"name"`
}

// apiRenamePasskey answers PATCH /api/v1/me/factors/passkeys/:id.
func (a *app) apiRenamePasskey(c *gin.Context) error {
	var in renamePasskeyBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	id, err := passkeyID(c.Param("id"))
	if err != nil {
		return err
	}
	o, err := a.apiPasskeyOwner(c)
	if err != nil {
		return err
	}
	if err := a.Passkeys.Rename(c.Request.Context(), o, id, in.Name); err != nil {
		return err
	}
	return noContent(c)
}

// apiRemovePasskey answers DELETE /api/v1/me/factors/passkeys/:id.
func (a *app) apiRemovePasskey(c *gin.Context) error {
	id, err := passkeyID(c.Param("id"))
	if err != nil {
		return err
	}
	ctx, receipt, err := a.receipt(c)
	if err != nil {
		return err
	}
	o, err := a.apiPasskeyOwner(c)
	if err != nil {
		return err
	}
	if _, err := a.SignIn.RemovePasskey(ctx, o, id); err != nil {
		return err
	}
	return a.ended(c, receipt)
}

type reauthPasskeyBody struct {
	// RPID is a domain of before a move; "" is ours.
	RPID string `json:"rp_id"`
}

// apiReauthPasskeyBegin answers POST /api/v1/reauth/passkey/begin.
func (a *app) apiReauthPasskeyBegin(c *gin.Context) error {
	var in reauthPasskeyBody
	if err := middleware.DecodeOptionalJSON(c.Request, &in); err != nil {
		return err
	}
	me := whoIs(c)
	return options(c, "")(a.Passkeys.BeginStepUp(c.Request.Context(), me.user, me.session, in.RPID))
}

// reauthPasskeyBegin answers POST /account/reauth/passkey/begin to the script.
func (a *app) reauthPasskeyBegin(c *gin.Context) error {
	form, err := middleware.ParseForm(c.Request, "rp_id")
	if err != nil {
		return err
	}
	s := middleware.Session(c)
	return options(c, "")(a.Passkeys.BeginStepUp(c.Request.Context(), s.UserID, s.ID, form.Get("rp_id")))
}

// otherDomains are the domains of somebody's passkeys besides the one that is
// asked for at first.
func (a *app) otherDomains(c *gin.Context, user models.ID) ([]string, error) {
	list, err := a.Passkeys.List(c.Request.Context(), user)
	found := signin.DomainsOf(list, a.Passkeys.RPID())
	if len(found) == 0 {
		return nil, err
	}
	return found[1:], err
}

// related answers GET /.well-known/webauthn: whose pages may use our passkeys
// (WebAuthn Level 3, section 5.11.1). It is asked for by browsers on the way to
// another address of ours, and names nobody that a request brought.
func (a *app) related(c *gin.Context) error {
	crossSite(c)
	return ok(c, struct {
		Origins []string `json:"origins"`
	}{append([]string{}, a.Passkeys.Origins()...)})
}
