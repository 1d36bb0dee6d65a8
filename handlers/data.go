package handlers

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"gatehouse/middleware"
	"gatehouse/tokens"
)

// dataPage answers GET /account/data.
func (a *app) dataPage(c *gin.Context) error {
	_, u, err := a.signedIn(c)
	if err != nil {
		return err
	}
	return a.drawData(c, u)
}

// data answers POST /account/data with the file itself. It is a POST, because
// it leaves an event in the record and no other site can cause it.
func (a *app) data(c *gin.Context) error {
	if _, err := middleware.ParseForm(c.Request); err != nil {
		return err
	}
	return a.giveData(c, middleware.Proof(c))
}

// apiData answers GET /api/v1/me/data.
func (a *app) apiData(c *gin.Context) error {
	if c.Request.Method == http.MethodHead {
		return nil // a file that nobody reads is not worth its event
	}
	return a.giveData(c, middleware.Proof(c))
}

// giveData streams the file. As long as nothing was sent an error has its own
// answer; after that the connection is cut, so that nobody takes a part for the
// whole. The file ends with its signature besides.
func (a *app) giveData(c *gin.Context, proof tokens.Proof) error {
	out := &download{c: c, a: a}
	err := a.Accounts.MyData(c.Request.Context(), proof, out, a.by(c))
	if err != nil && c.Writer.Written() {
		a.Log.ErrorContext(c.Request.Context(), "a download broke off", "request_id", a.web.RequestID(c), "error", err)
		panic(http.ErrAbortHandler)
	}
	return err
}

// download sets the headers with the first byte, so that a failure before it
// has none of them, and gives each part its own time.
type download struct {
	c *gin.Context
	a *app
}

func (d *download) Write(b []byte) (int, error) {
	h := d.c.Writer.Header()
	if !d.c.Writer.Written() {
		h["Content-Type"] = jsonType
		h["Cache-Control"] = []string{"no-store"}
		h["Content-Disposition"] = []string{`attachment; filename="my-data.json"`}
	}
	_ = http.NewResponseController(d.c.Writer).SetWriteDeadline(d.a.Wall().Add(writeTime)) // not every writer has one
	return d.c.Writer.Write(b)
}

// apiDataKeys answers GET /api/v1/data/keys: the keys that sign downloads. They
// stand apart from those of access tokens, so that neither passes as the other.
func (a *app) apiDataKeys(c *gin.Context) error {
	body, etag := a.Tokens.DataKeys()
	crossSite(c)
	document{body: body, etag: []string{etag}, kind: jwksType}.serveFor(c, a.jwksCache)
	return nil
}
