// Package server puts the rooms together and runs them.
//
// wire.go builds every room exactly once and hands each what it needs;
// server.go listens, starts the jobs and stops in order; secretkey.go and
// lock.go own the two files beside an embedded database. It holds no rule of
// the product. It is handed a checked config.Config by cli.
package server
