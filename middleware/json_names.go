package middleware

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"gatehouse/internal/apperr"
)

// names are the exact names that a body may have, in the order of its struct.
type names struct {
	order []string
	types map[string]reflect.Type
}

func jsonNames(dst any) names {
	t := reflect.TypeOf(dst).Elem()
	n := names{types: make(map[string]reflect.Type, t.NumField())}
	for f := range t.Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			n.order, n.types[name] = append(n.order, name), f.Type
		}
	}
	return n
}

// nullable reports whether a name may be null, which means the same as leaving
// it out.
func (n names) nullable(name string) bool { return n.types[name].Kind() == reflect.Pointer }

// wanted says in words what belongs behind a name.
func (n names) wanted(name string) apperr.Field {
	t := n.types[name]
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return apperr.Field{Reason: "json_text"}
	case reflect.Bool:
		return apperr.Field{Reason: "json_bool"}
	case reflect.Int, reflect.Int64:
		return apperr.Field{Reason: "json_number"}
	}
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String {
		return apperr.Field{Reason: "json_list"}
	}
	return apperr.Field{Reason: "json_nested"}
}

func (n names) unknown(name string) error {
	return blame("json_unknown", name, apperr.Field{
		Reason: "json_unknown", Params: map[string]any{"Known": strings.Join(n.order, ", ")},
	})
}

// wrongType names the value that could not be decoded.
func (n names) wrongType(err error) error {
	e := apperr.Wrap(apperr.Malformed, "json_type", err)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if name, _, _ := strings.Cut(wrong.Field, "."); n.types[name] != nil {
			return e.WithField(name, n.wanted(name))
		}
	}
	return e
}

// maxName is how much of a name that a client made up is said back to it.
const maxName = 64

// blame refuses a body because of one name in it.
func blame(reason, name string, f apperr.Field) error {
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	return apperr.New(apperr.Malformed, reason).WithField(name, f)
}
