// Command orders is a whole service that accepts Gatehouse's access tokens and
// refuses them within a second of the end of their session. It is what the
// README's tour calls.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"gatehouse/verify"
)

func main() {
	issuer := flag.String("issuer", "http://localhost:5000", "APP_URL of the Gatehouse")
	credential := flag.String("credential", "orders.secret", "file that `service add orders` was written to")
	listen := flag.String("listen", "127.0.0.1:5001", "address to listen on")
	flag.Parse()
	if err := run(*issuer, *credential, *listen); err != nil {
		log.Fatal("orders: ", err)
	}
}

func run(issuer, credential, listen string) error {
	secret, err := os.ReadFile(credential)
	if err != nil {
		return err
	}
	v, err := verify.New(verify.Options{Issuer: issuer, Service: strings.TrimSpace(string(secret))})
	if err != nil {
		return err
	}
	// Close takes leave, so that no receipt waits for an instance that is gone.
	defer v.Close()

	mux := http.NewServeMux()
	mux.Handle("GET /orders", v.Handler(http.HandlerFunc(orders)))
	// What must not work for a second longer than need be asks for a younger view.
	mux.Handle("POST /payments", v.Within(5*time.Second).Handler(http.HandlerFunc(pay)))
	// What needs the person themselves asks for a proof: of the last five minutes,
	// of two factors, or of both. The refusal says what is wanted (RFC 9470), and
	// POST /api/v1/reauth of the Gatehouse gives a token that says it.
	mux.Handle("POST /orders/cancel", v.Handler(v.RequireRecent(5*time.Minute)(http.HandlerFunc(cancel))))
	mux.Handle("GET /books", v.Handler(verify.RequireAAL(2)(http.HandlerFunc(orders))))
	mux.Handle("POST /refunds", v.Handler(v.RequireProof(2, 5*time.Minute)(http.HandlerFunc(pay))))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, v.Ready()) })

	server := &http.Server{Addr: listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan os.Signal, 1)
	signal.Notify(stopped, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stopped
		_ = server.Close() // what was in hand is refused by its client's retry
	}()
	log.Printf("orders: listening on http://%s, following %s", listen, issuer)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func orders(w http.ResponseWriter, r *http.Request) {
	who, _ := verify.FromContext(r.Context())
	answer(w, http.StatusOK, map[string]any{"orders": []string{"a lighthouse lamp", "forty metres of rope"}, "of": who.Subject})
}

func pay(w http.ResponseWriter, r *http.Request) {
	who, _ := verify.FromContext(r.Context())
	answer(w, http.StatusOK, map[string]any{"paid": true, "by": who.Subject})
}

func cancel(w http.ResponseWriter, r *http.Request) {
	who, _ := verify.FromContext(r.Context())
	answer(w, http.StatusOK, map[string]any{"cancelled": true, "by": who.Subject})
}

func ready(w http.ResponseWriter, err error) {
	if err != nil {
		answer(w, http.StatusServiceUnavailable, map[string]any{"ready": false, "why": err.Error()})
		return
	}
	answer(w, http.StatusOK, map[string]any{"ready": true})
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s\n", text)
}
