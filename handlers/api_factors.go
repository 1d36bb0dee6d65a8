package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/signin"
)

// seedJSON is the seed of an authenticator app, the one time it is shown.
type seedJSON struct {
	Secret string `json:"secret"`
	URI    string `json:"uri"`
}

func seedOf(e signin.Enrolment) seedJSON { return seedJSON{e.Secret.Reveal(), e.URI.Reveal()} }

type codesJSON struct {
	RecoveryCodes []string `json:"recovery_codes"`
}

func codesOf(codes []string) codesJSON { return codesJSON{append([]string{}, codes...)} }

// nothing is a body without members.
type nothing struct{}

// apiTOTP answers POST /api/v1/me/factors/totp.
func (a *app) apiTOTP(c *gin.Context) error {
	if err := middleware.DecodeOptionalJSON(c.Request, &nothing{}); err != nil {
		return err
	}
	seed, err := a.SignIn.EnrolTOTP(c.Request.Context(), middleware.Proof(c))
	if err != nil {
		return err
	}
	return ok(c, seedOf(seed))
}

type codeBody struct {
	Code string `json:"code"`
}

// apiConfirmTOTP answers POST /api/v1/me/factors/totp/confirm.
func (a *app) apiConfirmTOTP(c *gin.Context) error {
	var in codeBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	if err := required("code", in.Code); err != nil {
		return err
	}
	codes, _, err := a.SignIn.ConfirmTOTP(c.Request.Context(), signin.Confirm{Proof: middleware.Proof(c), Code: in.Code, Client: a.by(c)})
	if err != nil {
		return err
	}
	return ok(c, codesOf(codes))
}

// apiRemoveTOTP answers DELETE /api/v1/me/factors/totp.
func (a *app) apiRemoveTOTP(c *gin.Context) error {
	ctx, receipt, err := a.receipt(c)
	if err != nil {
		return err
	}
	if err := a.SignIn.RemoveTOTP(ctx, middleware.Proof(c), a.by(c)); err != nil {
		return err
	}
	return a.ended(c, receipt)
}

// apiCodes answers POST /api/v1/me/factors/recovery.
func (a *app) apiCodes(c *gin.Context) error {
	if err := middleware.DecodeOptionalJSON(c.Request, &nothing{}); err != nil {
		return err
	}
	codes, err := a.SignIn.NewCodes(c.Request.Context(), middleware.Proof(c), a.by(c))
	if err != nil {
		return err
	}
	return ok(c, codesOf(codes))
}
