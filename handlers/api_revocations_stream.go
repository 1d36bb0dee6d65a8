package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"gatehouse/internal/apperr"
	"gatehouse/middleware"
	"gatehouse/tokens"
)

var eventStream = []string{"text/event-stream"}

// apiRevocationStream answers GET /api/v1/revocations/stream with server-sent
// events (WHATWG HTML, section 9.2) from the cursor on, until the follower or
// the server goes away.
func (a *app) apiRevocationStream(c *gin.Context) error {
	ctx := c.Request.Context()
	stream, err := a.Tokens.Feed.Open(ctx, middleware.Service(c).ID, cursorOf(c), func(context.Context) error { return a.web.StillService(c.Request) })
	if err != nil {
		return err
	}
	defer stream.Close()
	h := c.Writer.Header()
	h["Content-Type"], h["Cache-Control"] = eventStream, []string{"no-store"}
	h["X-Accel-Buffering"] = []string{"no"} // a proxy that buffers would hold endings back
	if c.Request.Method == http.MethodHead {
		return nil
	}
	out := &events{w: c.Writer, control: http.NewResponseController(c.Writer), now: a.Wall}
	// The limit on the time of a request would end the stream (net/http applies
	// it to the watch for a closed connection too).
	_ = out.control.SetReadDeadline(time.Time{})
	return a.follow(ctx, stream, out)
}

// cursorOf prefers the header by which an event source resumes: it is newer
// than the address that it began with.
func cursorOf(c *gin.Context) string {
	if last := c.Request.Header.Get("Last-Event-ID"); last != "" {
		return last
	}
	return c.Query("cursor")
}

func (a *app) follow(ctx context.Context, stream *tokens.Stream, out *events) error {
	err := out.send(tokens.Event{})
	for err == nil {
		var e tokens.Event
		if e, err = stream.Next(ctx); err == nil {
			err = out.send(e)
		}
	}
	if e := apperr.From(err); !errors.Is(err, io.EOF) && e.Kind != apperr.Internal {
		return err
	}
	return nil
}

// events writes server-sent events, each within its own time: a reader who
// does not read is cut off and resumes from its cursor.
type events struct {
	w       io.Writer
	control *http.ResponseController
	now     func() time.Time
}

func (o *events) send(e tokens.Event) error {
	text := []byte(": here\n\n")
	if e.Name != "" {
		text = append(make([]byte, 0, len(e.Data)+len(e.ID)+64), "id: "...)
		text = append(text, e.ID...)
		text = append(append(text, "\nevent: "...), e.Name...)
		text = append(append(text, "\ndata: "...), e.Data...)
		text = append(text, "\n\n"...)
	}
	_ = o.control.SetWriteDeadline(o.now().Add(writeTime)) // not every writer has one
	if _, err := o.w.Write(text); err != nil {
		return err
	}
	return o.control.Flush()
}
