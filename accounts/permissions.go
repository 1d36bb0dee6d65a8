package accounts

import (
	"context"

	"gorm.io/gorm"

	"gatehouse/internal/apperr"
	"gatehouse/internal/database"
	"gatehouse/models"
)

// RoleAdmin is the role that looks after people, but not after who may.
const RoleAdmin = "admin"

// Permission is something that only some roles may do here.
type Permission string

// The permissions.
const (
	// PermitInvite lets somebody offer accounts to others.
	PermitInvite Permission = "invite"
	// PermitAudit lets somebody read the record of who did what.
	PermitAudit Permission = "audit"
	// PermitFactors lets somebody see how many accounts have which factors.
	PermitFactors Permission = "factors"
)

// Permits reports whether roles have a permission.
func Permits(roles models.Words, p Permission) bool {
	return roles.Has(RoleOwner) || roles.Has(RoleAdmin) && (p == PermitInvite || p == PermitAudit || p == PermitFactors)
}

// mayGive keeps everybody but an owner from making others as powerful as
// themselves: otherwise one stolen administrator makes ten.
func mayGive(giver, roles models.Words) bool {
	return giver.Has(RoleOwner) || !roles.Has(RoleOwner) && !roles.Has(RoleAdmin)
}

// ErrForbidden is the answer to who lacks a permission.
var ErrForbidden = apperr.New(apperr.Forbidden, "forbidden")

// ErrAboveYours refuses to give what one does not have.
var ErrAboveYours = apperr.New(apperr.Forbidden, "role_above_yours").WithField("roles", apperr.Field{Reason: "above_yours"})

// Permitted answers from the account's row and never from a token, so that a
// role that was taken away is gone with the next request (security rule 11).
func (s *Service) Permitted(ctx context.Context, user models.ID, p Permission) (ok bool, err error) {
	err = s.DB.CausalRead(ctx, func(tx *gorm.DB) error {
		roles, err := rolesNow(tx, user)
		ok = Permits(roles, p)
		return err
	})
	return ok, database.Unavailable(err)
}

// rolesNow are the roles of an account that may use them: none for one that is
// disabled, being closed or not there.
func rolesNow(tx *gorm.DB, user models.ID) (roles models.Words, err error) {
	if user.IsZero() {
		return "", nil
	}
	err = tx.Raw(`SELECT roles FROM users WHERE id = ? AND disabled_at IS NULL AND erase_at IS NULL`, user).Scan(&roles).Error
	return roles, err
}
