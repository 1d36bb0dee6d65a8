package handlers

import (
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/models"
	"gatehouse/tokens"
)

type ackBody struct {
	Instance string `json:"instance"`
	Cursor   string `json:"cursor"`
	Nonce    string `json:"nonce"`
	BoundMS  int64  `json:"bound_ms"`
	Mode     string `json:"mode"`
	Leave    bool   `json:"leave"`
}

type answerJSON struct {
	Answer string `json:"answer"`
}

// mostBoundMS keeps a bound from overflowing on its way into a duration.
const mostBoundMS = int64(365 * 24 * time.Hour / time.Millisecond)

// apiRevocationAck answers POST /api/v1/revocations/ack: how far the follower
// is goes in, and how fresh that is comes out, signed and with its nonce.
func (a *app) apiRevocationAck(c *gin.Context) error {
	var in ackBody
	if err := middleware.DecodeJSON(c.Request, &in); err != nil {
		return err
	}
	instance, err := models.ParseID(in.Instance)
	if err != nil || in.BoundMS < 0 || in.BoundMS > mostBoundMS {
		return apperr.New(apperr.Malformed, "invalid_request")
	}
	answer, err := a.Tokens.Feed.Answer(c.Request.Context(), middleware.Service(c).ID, tokens.Ack{
		Instance: instance, Cursor: in.Cursor, Nonce: in.Nonce,
		Bound: time.Duration(in.BoundMS) * time.Millisecond, Mode: in.Mode, Leave: in.Leave,
	})
	if err != nil {
		return err
	}
	return ok(c, answerJSON{answer})
}
