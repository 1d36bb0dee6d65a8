// Package config reads the environment once, at the start, into one struct.
//
// It owns the names, defaults and meanings of every setting: the struct tags
// of [Config] are the only list, and .env.example is generated from them. It
// hands a checked Config to cli and server, which pass each room the few
// values it needs; no room reads the environment and no Config is global.
package config
