// Command pocketbase is a peer of the benchmark: PocketBase as a library, with
// its own defaults, one user and a bare route beside its API.
package main

import (
	"log"
	"net/http"

	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/apis"
	"github.com/pocketbase/pocketbase/core"
)

func main() {
	app := pocketbase.New()
	app.OnServe().BindFunc(func(e *core.ServeEvent) error {
		if _, err := e.App.FindAuthRecordByEmail("users", "bench@example.com"); err != nil {
			users, err := e.App.FindCollectionByNameOrId("users")
			if err != nil {
				return err
			}
			r := core.NewRecord(users)
			r.SetEmail("bench@example.com")
			r.SetVerified(true)
			r.SetPassword("correct-horse-bench")
			if err := e.App.Save(r); err != nil {
				return err
			}
		}
		e.Router.GET("/hello", func(r *core.RequestEvent) error { return r.String(http.StatusOK, "hello") })
		e.Router.GET("/auth", func(r *core.RequestEvent) error {
			return r.JSON(http.StatusOK, map[string]string{"sub": r.Auth.Id})
		}).Bind(apis.RequireAuth())
		return e.Next()
	})
	if err := app.Start(); err != nil {
		log.Fatal(err)
	}
}
