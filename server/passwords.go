package server

import (
	"fmt"
	"time"

	"gatehouse/config"
	"gatehouse/internal/passwords"
)

// newPasswords builds the room of hashes and of the rule which passwords are
// refused.
func (r *Rooms) newPasswords() (*passwords.Hasher, error) {
	list, err := OpenBreached(r.Config)
	if err != nil {
		return nil, err
	}
	c := r.Config
	return passwords.New(passwords.Options{
		Concurrency: c.HashConcurrency,
		Params:      passwords.Params(c.PasswordHash),
		MinLength:   c.PasswordMinLength,
		Words:       append(passwords.HostWords(c.URL().Hostname()), "Gatehouse", c.AppName),
		Breached:    list,
		Fault: func(err error) {
			r.Metrics.BreachedFault()
			r.Logger.Error("BREACHED_PASSWORDS_FILE cannot be read; a password was accepted that may be on it", "error", err)
		},
		Clock:   time.Now, // of this machine alone: it measures, and tells nobody the time
		Metrics: r.Metrics,
	}), nil
}

// OpenBreached opens the operator's list of passwords, nil when there is none.
// Its error is one line that names the setting.
func OpenBreached(c config.Config) (*passwords.Breached, error) {
	if c.BreachedPasswords == "" {
		return nil, nil
	}
	list, err := passwords.OpenBreached(c.BreachedPasswords)
	if err != nil {
		return nil, fmt.Errorf("BREACHED_PASSWORDS_FILE: %w", err)
	}
	return list, nil
}
