package websession

import (
	"encoding/json"
	"fmt"
)

// maxData is the most that a session holds. A flash message is about 100
// bytes; what is longer is a mistake of ours or somebody filling the table.
const maxData = 4 << 10

// flashKey is where gorilla/sessions keeps flash messages.
const flashKey = "_flash"

// stored is the form in the database: texts by name, and flash messages. No
// other type is kept, so that reading a row back can never build one (the
// usual gob codec of gorilla would).
type stored struct {
	Texts   map[string]string `json:"t,omitempty"`
	Flashes []string          `json:"f,omitempty"`
}

// encode writes the values of a session; nil when there are none.
func encode(values map[any]any) ([]byte, error) {
	var out stored
	for key, value := range values {
		if _, ok := key.(currentKey); ok {
			continue
		}
		if err := out.put(key, value); err != nil {
			return nil, err
		}
	}
	if len(out.Texts) == 0 && len(out.Flashes) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(out)
	if err == nil && len(b) > maxData {
		err = fmt.Errorf("websession: %d bytes are more than a session holds", len(b))
	}
	return b, err
}

func (s *stored) put(key, value any) error {
	name, ok := key.(string)
	if !ok {
		return fmt.Errorf("websession: a key of type %T", key)
	}
	if flashes, ok := value.([]any); ok && name == flashKey {
		for _, f := range flashes {
			text, ok := f.(string)
			if !ok {
				return fmt.Errorf("websession: a flash of type %T: use AddFlash of this package", f)
			}
			s.Flashes = append(s.Flashes, text)
		}
		return nil
	}
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("websession: %q holds a %T, want a string", name, value)
	}
	if s.Texts == nil {
		s.Texts = map[string]string{}
	}
	s.Texts[name] = text
	return nil
}

// decode is the inverse of encode. Data of another version is dropped: what a
// session holds is a message or a half-filled form, never the sign-in itself.
func decode(data []byte, into map[any]any) {
	var in stored
	if len(data) == 0 || json.Unmarshal(data, &in) != nil {
		return
	}
	for name, text := range in.Texts {
		if name != flashKey { // gorilla would panic on a text in that place
			into[name] = text
		}
	}
	if len(in.Flashes) > 0 {
		flashes := make([]any, len(in.Flashes))
		for i, text := range in.Flashes {
			flashes[i] = text
		}
		into[flashKey] = flashes
	}
}
