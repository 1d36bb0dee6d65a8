package openapi

import (
	_ "embed"
)

//go:embed openapi.json
var document []byte

// Document is the whole document. The caller must not change it.
func Document() []byte { return document }
