package handlers

import (
	"slices"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/internal/openapi"
)

// openAPI answers GET /openapi.json.
func (a *app) openAPI(c *gin.Context) error {
	crossSite(c)
	a.openapiDoc.serve(c)
	return nil
}

// docs answers GET /docs, drawn from the same document without any script:
// the list of all calls, or those of one group in full.
func (a *app) docs(c *gin.Context) error {
	reference, err := a.reference()
	if err != nil {
		return err
	}
	group := c.Query("group")
	known := slices.ContainsFunc(reference.Groups, func(g openapi.Group) bool { return g.Slug == group })
	if group != "" && !known {
		return apperr.New(apperr.NotFound, "not_found")
	}
	return a.drawDocs(c, reference, group)
}
