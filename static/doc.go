// Package static owns the stylesheets, scripts and images, embedded. It hands
// each out under a name that contains the hash of its content, so that it may
// be kept for a year and is never stale: templates write the paths, handlers
// serve the bytes.
package static
