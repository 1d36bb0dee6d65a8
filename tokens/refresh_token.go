package tokens

import (
	"encoding/binary"
	"strings"

	"gatehouse/internal/secrets"
	"gatehouse/models"
)

// A refresh token is "gh_rt_" and the base62 of family (16 bytes), generation
// (4), secret (32) and tag (16). The tag is a MAC over the rest: garbage is
// refused without the database, a stranger cannot end a family by guessing its
// id, and an old token is known as genuine without a row of its own.
const (
	refreshPrefix = "gh_rt_"
	refreshSecret = 32
	refreshTag    = 16
	refreshBody   = 16 + 4 + refreshSecret
	refreshSalt   = 16
)

// refreshToken is a genuine token, taken apart.
type refreshToken struct {
	family     models.ID
	generation uint32
	secret     [refreshSecret]byte
	hash       secrets.Hash // what the database keeps of it
	text       []byte
}

// refreshKey is the MAC secret of the ring. It is random, not derived from
// SECRET_KEY, and kept as long as a family lives.
type refreshKey []byte

// token writes the token of a generation.
func (k refreshKey) token(family models.ID, generation uint32, secret []byte) refreshToken {
	body := append(make([]byte, 0, refreshBody+refreshTag), family[:]...)
	body = binary.BigEndian.AppendUint32(body, generation)
	body = append(body, secret...)
	text := append([]byte(refreshPrefix), secrets.EncodeBase62(append(body, k.tag(body)...))...)
	t := refreshToken{family: family, generation: generation, text: text}
	copy(t.secret[:], secret)
	t.hash, _ = secrets.HashOf("refresh", string(text))
	return t
}

// parse reads a token of ours; ok is false for everything else.
func (k refreshKey) parse(raw string) (t refreshToken, ok bool) {
	rest, ok := strings.CutPrefix(raw, refreshPrefix)
	if !ok {
		return refreshToken{}, false
	}
	b, err := secrets.DecodeBase62(rest, refreshBody+refreshTag)
	if err != nil || !secrets.Equal(k.tag(b[:refreshBody]), b[refreshBody:]) {
		return refreshToken{}, false
	}
	t = refreshToken{family: models.ID(b[:16]), generation: binary.BigEndian.Uint32(b[16:20]), text: []byte(raw)}
	copy(t.secret[:], b[20:refreshBody])
	t.hash, _ = secrets.HashOf("refresh", raw)
	return t, true
}

func (k refreshKey) tag(body []byte) []byte {
	return secrets.MAC(k, "refresh tag", body)[:refreshTag]
}

// successor is the next token of the line. Its secret can be computed again
// only by one who shows the predecessor: the salt in the database and the key
// of the ring do not suffice, not even together with SECRET_KEY.
func (k refreshKey) successor(t refreshToken, salt []byte) refreshToken {
	next := t.generation + 1
	secret := secrets.MAC(k, "refresh successor", t.family[:], binary.BigEndian.AppendUint32(nil, next), t.secret[:], salt)
	return k.token(t.family, next, secret)
}
