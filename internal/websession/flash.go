package websession

import (
	"encoding/json"

	"github.com/gin-contrib/sessions"
)

// Flash is a message for the next page: what kind of news it is, the key of
// its words and the values in them. The words are chosen when it is shown, so
// that a change of language in between is honoured.
type Flash struct {
	Kind   string            `json:"k"` // good, warn, bad or neutral
	Key    string            `json:"m"` // locale key without its "flash." part
	Params map[string]string `json:"p,omitempty"`
}

// AddFlash leaves a message in a session; Save has to follow.
func AddFlash(s sessions.Session, f Flash) {
	s.AddFlash(f.text())
}

// Flashes takes the messages out of a session. changed tells whether there
// were any, because only then the session needs to be saved: asking
// gin-contrib for flashes marks the session as written every time.
func Flashes(s sessions.Session) (list []Flash, changed bool) {
	if s.Get(flashKey) == nil {
		return nil, false
	}
	for _, v := range s.Flashes() {
		var f Flash
		if text, ok := v.(string); ok && json.Unmarshal([]byte(text), &f) == nil {
			list = append(list, f)
		}
	}
	return list, true
}

// DataWith is the content of a fresh session that holds one message and
// nothing of the session before it.
func DataWith(f Flash) []byte {
	b, err := encode(map[any]any{flashKey: []any{f.text()}})
	if err != nil {
		return nil // a message too long to keep is lost, the sign-in is not
	}
	return b
}

// DataKeeping is the content of a fresh session that remembers some texts and
// nothing of the session before it. Empty ones are left out.
func DataKeeping(texts map[string]string) []byte {
	values := map[any]any{}
	for name, text := range texts {
		if text != "" {
			values[name] = text
		}
	}
	b, err := encode(values)
	if err != nil {
		return nil // texts too long to keep; the step begins again
	}
	return b
}

// TextIn is one of the texts that DataKeeping wrote.
func TextIn(data []byte, name string) string {
	values := map[any]any{}
	decode(data, values)
	text, _ := values[name].(string)
	return text
}

func (f Flash) text() string {
	b, _ := json.Marshal(f) // strings and a map of strings always marshal
	return string(b)
}
