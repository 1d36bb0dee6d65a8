package signin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// What an answer of an authenticator may be long at most. A client data of ours
// has about 200 bytes, an answer with an attestation some thousands.
const (
	maxPasskeyAnswer = 32 << 10
	maxClientData    = 4 << 10
	maxClientDepth   = 4
)

// clientData is what the browser says about a ceremony (WebAuthn Level 3,
// section 5.8.1), of which the signature is made.
type clientData struct {
	Type        string
	Challenge   string
	Origin      string
	CrossOrigin bool
	TopOrigin   bool // whether there is one
}

var errClientData = errors.New("client data that can be read in two ways")

// parseClientData reads it strictly: each member once, by its exact name.
// encoding/json takes "TYPE" for "type" and the last of two members, so that
// what was checked might not be what another reader sees. Members that we do
// not know are allowed, as section 5.8.1.2 asks.
func parseClientData(raw []byte) (c clientData, err error) {
	if len(raw) > maxClientData || !utf8.Valid(raw) {
		return c, errClientData
	}
	members, err := flatObject(raw)
	if err != nil {
		return c, err
	}
	_, c.TopOrigin = members["topOrigin"]
	for name, into := range map[string]any{"type": &c.Type, "challenge": &c.Challenge, "origin": &c.Origin} {
		value, ok := members[name]
		if !ok || json.Unmarshal(value, into) != nil || len(value) == 0 || value[0] != '"' {
			return c, errClientData
		}
	}
	if value, ok := members["crossOrigin"]; ok && json.Unmarshal(value, &c.CrossOrigin) != nil {
		return c, errClientData
	}
	return c, nil
}

// flatObject reads one JSON object into its members, unread.
func flatObject(raw []byte) (map[string]json.RawMessage, error) {
	if tooDeep(raw, maxClientDepth) {
		return nil, errClientData
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return nil, errClientData
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		key, err := dec.Token()
		name, isText := key.(string)
		_, twice := members[name]
		var value json.RawMessage
		if err != nil || !isText || twice || dec.Decode(&value) != nil {
			return nil, errClientData
		}
		members[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, errClientData
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errClientData
	}
	return members, nil
}

// tooDeep counts brackets outside strings before anything is decoded, so that
// a bomb of them costs one pass and no stack.
func tooDeep(raw []byte, most int) bool {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// challengeOf is the challenge that an answer names, for the search of its
// ceremony; ok is false for what cannot be one of ours.
func challengeOf(c clientData) (raw []byte, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(c.Challenge)
	return raw, err == nil && len(raw) >= challengeBytes
}
