// Package openapi holds the description of the JSON API, OpenAPI 3.1, embedded
// as it is served at /openapi.json. It hands the bytes to handlers and an
// outline of them to the page /docs; the tests of testserver hold the document
// against the route table and against real answers.
package openapi
