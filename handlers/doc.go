// Package handlers speaks HTTP for the rooms: one verb for each file, a form
// is a struct with parse and check, an error goes back to the middleware.
//
// routes.go is the ONE route table of the product. [Table] hands it to the
// checks of the OpenAPI document; [Routes] puts it on an engine:
//
//	engine := gin.New()
//	err := handlers.Routes(engine, handlers.Deps{ ... })
//
// [Deps] holds the rooms as server/wire.go built them, the renderer of the
// pages, the parts that readiness asks, and a small [Config] of its own, so
// that no handler knows the environment. Nothing in it may be left out but
// Metrics and Log.
//
// No handler queries, opens a transaction or hands a row of the database to a
// template: pages get view structs, JSON gets the structs of json.go.
package handlers
