package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

var aliveBody = []byte(`{"status":"alive"}`)

// healthz answers GET /healthz: the process runs. It asks nothing, so that an
// orchestrator does not kill every node when the database is away.
func (a *app) healthz(c *gin.Context) error {
	writeJSON(c, aliveBody)
	return nil
}

// readyTime is how long a part may take to say that it works.
const readyTime = 2 * time.Second

type readyJSON struct {
	Status string            `json:"status"`
	Parts  map[string]string `json:"parts"`
}

// readyz answers GET /readyz: 200 when every part works, else 503. Why a part
// does not is for the log; a stranger learns its name only.
func (a *app) readyz(c *gin.Context) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), readyTime)
	defer cancel()
	answer, status := readyJSON{Status: "ready", Parts: map[string]string{}}, http.StatusOK
	for _, part := range a.Parts {
		answer.Parts[part.Name] = "ok"
		if err := part.Ready(ctx); err != nil {
			answer.Parts[part.Name], answer.Status, status = "failed", "not_ready", http.StatusServiceUnavailable
			a.Log.WarnContext(ctx, "not ready", "part", part.Name, "error", err)
		}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		c.Header("Retry-After", "2")
	}
	c.Data(status, jsonType[0], body)
	return nil
}
