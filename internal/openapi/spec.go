package openapi

import (
	"encoding/json"
	"slices"
)

// The part of the document that Read looks at (OpenAPI 3.1.0, section 4.8).
type (
	spec struct {
		Info       struct{ Title, Version, Description string }
		Tags       []struct{ Name, Description string }
		Paths      map[string]map[string]call
		Components struct {
			Schemas   map[string]schema
			Responses map[string]response
		}
	}
	call struct {
		OperationID          string
		Summary, Description string
		Tags                 []string
		Security             []map[string][]string
		Parameters           []parameter
		RequestBody          struct{ Content map[string]content }
		Responses            map[string]response
	}
	parameter struct {
		Name, In, Description string
		Required              bool
		Schema                schema
	}
	response struct {
		Ref         string `json:"$ref"`
		Description string
		Content     map[string]content
	}
	content struct{ Schema schema }
	schema  struct {
		Ref         string `json:"$ref"`
		Type        words
		Format      string
		Description string
		Const       any
		Required    []string
		Properties  map[string]schema
		Items       *schema
		OneOf       []schema
	}
)

// bearer reports whether the call wants an access token, and not another proof.
func (c call) bearer() bool {
	return slices.ContainsFunc(c.Security, func(one map[string][]string) bool { return one["bearer"] != nil })
}

// words is a member that is one text or a list of them, as "type" is.
type words []string

// UnmarshalJSON implements json.Unmarshaler.
func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}
