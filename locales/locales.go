// Package locales embeds the words of the product, one file per language.
package locales

import "embed"

// Files holds the message files of go-i18n.
//
//go:embed *.json
var Files embed.FS
