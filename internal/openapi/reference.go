package openapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Reference is the document as a page shows it: what refers to something else
// has that in its place.
type Reference struct {
	Title, Version, Description string
	Groups                      []Group
}

// Group is the calls of one tag.
type Group struct {
	Slug, Name, Description string
	Operations              []Operation
}

// Operation is one call.
type Operation struct {
	ID, Method, Path, Summary, Description string
	Bearer                                 bool
	Parameters                             []Field
	BodyType                               string // content type, "" for none
	Body                                   []Field
	Answers                                []Answer
}

// Field is one parameter, or one member of a JSON object.
type Field struct {
	Name, Type, Description string
	In                      string // where a parameter stands; "" in a body
	Required                bool
}

// Answer is one status that a call may have.
type Answer struct {
	Status, Description string
	Fields              []Field
}

// Read reads the document. It is embedded, so it can only fail while it is
// being written.
func Read() (Reference, error) {
	var s spec
	if err := json.Unmarshal(document, &s); err != nil {
		return Reference{}, fmt.Errorf("openapi: %w", err)
	}
	r := Reference{Title: s.Info.Title, Version: s.Info.Version, Description: s.Info.Description}
	for _, tag := range s.Tags {
		r.Groups = append(r.Groups, Group{
			Slug: strings.ToLower(tag.Name), Name: tag.Name, Description: tag.Description, Operations: s.tagged(tag.Name),
		})
	}
	return r, nil
}

func (s spec) tagged(tag string) []Operation {
	var list []Operation
	for path, calls := range s.Paths {
		for method, c := range calls {
			if slices.Contains(c.Tags, tag) {
				list = append(list, s.operation(strings.ToUpper(method), path, c))
			}
		}
	}
	slices.SortFunc(list, func(a, b Operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return list
}

func (s spec) operation(method, path string, c call) Operation {
	op := Operation{
		ID: c.OperationID, Method: method, Path: path, Summary: c.Summary, Description: c.Description, Bearer: c.bearer(),
	}
	for _, p := range c.Parameters {
		op.Parameters = append(op.Parameters, Field{
			Name: p.Name, Type: s.typeOf(p.Schema), Description: p.Description, In: p.In, Required: p.Required,
		})
	}
	for kind, content := range c.RequestBody.Content {
		op.BodyType, op.Body = kind, s.fields(content.Schema)
	}
	for status, r := range c.Responses {
		op.Answers = append(op.Answers, s.answer(status, r))
	}
	slices.SortFunc(op.Answers, func(a, b Answer) int { return strings.Compare(a.Status, b.Status) })
	return op
}

func (s spec) answer(status string, r response) Answer {
	if r.Ref != "" {
		r = s.Components.Responses[last(r.Ref)]
	}
	out := Answer{Status: status, Description: r.Description}
	// The shape of errors is the same everywhere and told once.
	if status < "400" {
		for _, content := range r.Content {
			out.Fields = s.fields(content.Schema)
		}
	}
	return out
}

// fields are the members of an object, the required ones first, as a reader
// needs them. Of several shapes the first is shown: it is the usual one.
func (s spec) fields(body schema) []Field {
	body = s.resolved(body)
	if len(body.OneOf) > 0 {
		body = s.resolved(body.OneOf[0])
	}
	var list []Field
	for name, p := range body.Properties {
		list = append(list, Field{
			Name: name, Type: s.typeOf(p), Description: s.resolved(p).Description, Required: slices.Contains(body.Required, name),
		})
	}
	slices.SortFunc(list, func(a, b Field) int {
		if a.Required != b.Required {
			return map[bool]int{true: -1, false: 1}[a.Required]
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

func (s spec) resolved(one schema) schema {
	if one.Ref == "" {
		return one
	}
	return s.Components.Schemas[last(one.Ref)]
}

// typeOf is the type in a word or two.
func (s spec) typeOf(one schema) string {
	if one.Ref != "" {
		return last(one.Ref)
	}
	if one.Const != nil {
		return fmt.Sprintf("%q", one.Const)
	}
	kind := strings.Join(one.Type, " or ")
	if one.Items != nil {
		return kind + " of " + s.typeOf(*one.Items)
	}
	if one.Format != "" {
		return kind + " (" + one.Format + ")"
	}
	return kind
}

func last(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }
