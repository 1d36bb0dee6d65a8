package openapi

import (
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

func TestTheDocumentIsValidOpenAPI31(t *testing.T) {
	doc, err := libopenapi.NewDocument(Document())
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		for _, e := range errs {
			t.Errorf("%s: %s", e.Message, e.Reason)
			for _, s := range e.SchemaValidationErrors {
				t.Errorf("  %s at %s", s.Reason, s.KeywordLocation)
			}
		}
	}
}

func TestTheReferenceHoldsEveryCallWithNothingLeftToLookUp(t *testing.T) {
	r, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range r.Groups {
		for _, op := range g.Operations {
			n++
			if op.Summary == "" || len(op.Answers) == 0 || !strings.HasPrefix(op.Path, "/") {
				t.Errorf("%s %s lacks a summary or an answer", op.Method, op.Path)
			}
			for _, a := range op.Answers {
				if a.Description == "" {
					t.Errorf("%s %s: %s is not described", op.Method, op.Path, a.Status)
				}
			}
			for _, f := range op.Body {
				if f.Type == "" {
					t.Errorf("%s %s: %s has no type", op.Method, op.Path, f.Name)
				}
			}
		}
	}
	if want := strings.Count(string(Document()), `"operationId"`); n != want {
		t.Errorf("got %d calls, want %d", n, want)
	}
}
