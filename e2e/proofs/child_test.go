package proofs

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"

	"gorm.io/gorm"

	"gatehouse/tokens"
	"gatehouse/verify"
)

// listenAsService prints its address and serves until it is killed.
func listenAsService(v *verify.Verifier) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("http://%s\n", l.Addr())
	err = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := v.Request(r)
		status := http.StatusOK
		if e, ok := err.(*verify.Error); ok {
			status = e.Status()
		} else if err != nil {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
	}))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// family makes a session with a family of refresh tokens under it.
func (f *fleet) family(ctx context.Context) (id, raw string, err error) {
	err = f.rooms.DB.Write(ctx, func(tx *gorm.DB) error {
		started, err := f.rooms.Tokens.Sessions.Start(tx, tokens.SignIn{
			Subject: f.subject, AuthTime: f.rooms.Clock(), ACR: "aal1", AMR: []string{"pwd"},
		})
		if err != nil {
			return err
		}
		issued, err := f.rooms.Tokens.Refresh.Issue(tx, started.ID, f.subject.ID, "", nil)
		id, raw = started.ID.String(), issued.Token.Reveal()
		return err
	})
	return id, raw, err
}
