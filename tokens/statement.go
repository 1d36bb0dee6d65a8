package tokens

import (
	"encoding/hex"

	"gatehouse/internal/secrets"
	"gatehouse/keys"
	"gatehouse/models"
)

// dataType keeps a statement about somebody's data from passing as anything
// else that is signed here (RFC 8725, section 3.11).
const dataType = "gh-my-data+jwt"

type dataClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	IssuedAt int64  `json:"iat"`
	ID       string `json:"jti"`
	SHA256   string `json:"sha256"` // hexadecimal, as sha256sum prints it
	Bytes    int64  `json:"bytes"`
}

// SignData says in our name that bytes with this hash are what is known of a
// person here, now. The statement is signed instead of the bytes, so that they
// can be written while they are read.
func (s *Service) SignData(user models.ID, sum []byte, size int64) (secrets.Raw, error) {
	return signJWT(s.Access.deps.Keys.SignerFor(keys.PurposeData), dataType, dataClaims{
		Issuer: s.Access.deps.Config.Issuer, Subject: user.String(), IssuedAt: s.clock().Unix(), ID: models.NewID().String(),
		SHA256: hex.EncodeToString(sum), Bytes: size,
	})
}

// DataKeys is the published set of the keys that sign such statements.
func (s *Service) DataKeys() (body []byte, etag string) {
	return s.Access.deps.Keys.JWKSFor(keys.PurposeData)
}
