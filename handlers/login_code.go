package handlers

import (
	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/signin"
)

// The second steps that are a code in a field: /login/totp and /login/recovery,
// as pages and as calls.

type stepBody struct {
	Attempt string `json:"attempt"`
	Code    string `json:"code"`
}

// stepForm answers GET /login/totp and GET /login/recovery. It changes nothing.
func stepForm(method string) func(*app, *gin.Context) error {
	return func(a *app, c *gin.Context) error {
		w, here, err := a.waiting(c, method)
		if err != nil || !here {
			return err
		}
		return a.drawStep(c, ok200, method, w, none)
	}
}

// step answers POST /login/totp and POST /login/recovery.
func step(method string) func(*app, *gin.Context) error {
	return func(a *app, c *gin.Context) error {
		form, err := middleware.ParseForm(c.Request, "code", "trust")
		if err != nil {
			return err
		}
		return a.stepBrowser(c, signin.Step{Method: method, Secret: form.Get("code"), Trust: form.Has("trust")}, func(status int, p middleware.Problem) error {
			w, here, err := a.waiting(c, method)
			if err != nil || !here {
				return err
			}
			return a.drawStep(c, status, method, w, p)
		})
	}
}

// apiStep answers POST /api/v1/login/totp and POST /api/v1/login/recovery.
func apiStep(method string) func(*app, *gin.Context) error {
	return func(a *app, c *gin.Context) error {
		var in stepBody
		if err := middleware.DecodeJSON(c.Request, &in); err != nil {
			return err
		}
		if err := required("attempt", in.Attempt, "code", in.Code); err != nil {
			return err
		}
		return a.stepProgram(c, signin.Step{Attempt: in.Attempt, Method: method, Secret: in.Code})
	}
}
