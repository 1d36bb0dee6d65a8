package templates

import (
	"time"
)

// InboxView is the development inbox.
type InboxView struct {
	Layout
	Messages []InboxMessage
}

// InboxMessage is one mail that did not leave.
type InboxMessage struct {
	To, Subject, Purpose, Code string
	Text, HTML                 string
	Links                      []string
	At                         time.Time
}

// DocsView is the API reference. Group is the one that is shown in full; "" is
// the list of all calls.
type DocsView struct {
	Layout
	Title, Version, Description string
	Groups                      []DocsGroup
	Group                       string // slug
}

// DocsGroup is the calls of one tag.
type DocsGroup struct {
	Slug, Name, Description string
	Operations              []DocsOperation
}

// DocsOperation is one call.
type DocsOperation struct {
	ID                   string // operationId, the anchor
	Method, Path         string
	Summary, Description string
	Bearer               bool // needs an access token
	Parameters           []DocsField
	BodyType             string // its content type, "" for none
	Body                 []DocsField
	Answers              []DocsAnswer
}

// DocsField is one parameter, or one member of a JSON object.
type DocsField struct {
	Name, Type, Description string
	In                      string // "path", "query", "header"; "" in a body
	Required                bool
}

// DocsAnswer is one answer of a call.
type DocsAnswer struct {
	Status      string
	Description string
	Fields      []DocsField
}
