package proofs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"gorm.io/gorm"

	"gatehouse/tokens"
)

// clients start families and refresh them at b.
type clients struct {
	f    *fleet
	a, b *node

	mu                  sync.Mutex
	begun               map[string]bool // sessions whose refresh is on its way
	over                map[string]bool // ended at a
	handed, late, ended int
}

func (c *clients) run(ctx context.Context) {
	for ctx.Err() == nil {
		id, raw, err := c.f.family(ctx)
		if err != nil {
			continue
		}
		c.mark(id, true)
		access, ok := c.f.refresh(ctx, c.b, raw)
		c.mark(id, false)
		if ok {
			c.judge(ctx, id, access)
		}
	}
}

func (c *clients) mark(id string, begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if begun {
		c.begun[id] = true
	} else {
		delete(c.begun, id)
	}
}

func (c *clients) judge(ctx context.Context, id, access string) {
	c.mu.Lock()
	c.handed++
	over := c.over[id]
	if over {
		c.late++
	}
	c.mu.Unlock()
	if !over {
		return
	}
	for _, n := range []*node{c.b, c.a} {
		if err := c.f.refused(ctx, n, access); errors.Is(err, errAccepted) {
			c.f.t.Errorf("%s accepts a token handed out after its session had ended", n.name)
		}
	}
}

// endBegun ends at the other node what stands still at b, until the time is up.
// An ending whose row b holds locked in the middle of a transaction has to wait
// and may be refused for now: it is not counted.
func (c *clients) endBegun(ctx context.Context) {
	c.mu.Lock()
	ids := slices.Collect(maps.Keys(c.begun))
	c.mu.Unlock()
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			if _, err := c.f.end(ctx, c.a, session{id: id}); err != nil {
				return
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.over[id] = true
			c.ended++
		})
	}
	all.Wait()
}

// refresh exchanges a refresh token at a node for an access token.
func (f *fleet) refresh(ctx context.Context, n *node, raw string) (access string, ok bool) {
	body := strings.NewReader(fmt.Sprintf(`{"refresh_token":%q}`, raw))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url()+"/api/v1/token/refresh", body)
	if err != nil {
		return "", false
	}
	req.Host = f.host
	req.Header.Set("Content-Type", "application/json")
	res, err := web.Do(req)
	if err != nil {
		return "", false
	}
	defer res.Body.Close()
	var answer struct {
		Access string `json:"access_token"`
	}
	err = json.NewDecoder(res.Body).Decode(&answer)
	return answer.Access, err == nil && answer.Access != ""
}

// family makes a session with a family of refresh tokens under it.
func (f *fleet) family(ctx context.Context) (id, raw string, err error) {
	err = f.rooms.DB.Write(ctx, func(tx *gorm.DB) error {
		started, err := f.rooms.Tokens.Sessions.Start(tx, tokens.SignIn{
			Subject: f.subject, AuthTime: f.rooms.Clock(), ACR: "aal1", AMR: []string{"pwd"},
		})
		if err != nil {
			return err
		}
		issued, err := f.rooms.Tokens.Refresh.Issue(tx, started.ID, f.subject.ID, "", nil)
		id, raw = started.ID.String(), issued.Token.Reveal()
		return err
	})
	return id, raw, err
}
