package verify_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"gatehouse/verify"
)

// A service of one's own that accepts the access tokens of a Gatehouse: it
// reads the issuer's keys from its URL, lets whoever has the scope read
// orders, and asks for a role to cancel one.
func Example() {
	issuer := publishedKeys() // stands for https://login.example.com/.well-known/jwks.json
	defer issuer.Close()

	v, err := verify.New(verify.Options{
		Issuer:  "https://login.example.com", // APP_URL of the Gatehouse
		JWKSURL: issuer.URL,                  // leave out to use the one of the issuer
		Clock:   timeOfTheToken,              // leave out outside of examples
	})
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close()

	mux := http.NewServeMux()
	mux.Handle("GET /orders", v.Handler(verify.RequireScope("orders:read")(http.HandlerFunc(listOrders))))
	mux.Handle("DELETE /orders", v.Handler(verify.RequireRole("owner")(http.HandlerFunc(listOrders))))
	service := httptest.NewServer(mux)
	defer service.Close()

	call("GET", service.URL+"/orders", goldenToken())
	call("GET", service.URL+"/orders", "")
	call("GET", service.URL+"/orders", goldenToken()+"x")
	call("GET", service.URL+"/orders?access_token="+goldenToken(), "")
	call("DELETE", service.URL+"/orders", goldenToken())

	// Output:
	// 200 orders of 01890a5d-ac96-774b-bcce-b302099a8057
	// 401 no_token
	// 401 malformed
	// 401 token_in_query
	// 403 role_required
}

func listOrders(w http.ResponseWriter, r *http.Request) {
	who, _ := verify.FromContext(r.Context())
	fmt.Fprintf(w, "orders of %s", who.Subject)
}

// call sends a request as a client would: with the token in the header.
func call(method, url, token string) {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		log.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		log.Fatal(err)
	}
	var refused struct{ Reason string }
	if json.Unmarshal(text, &refused) == nil {
		text = []byte(refused.Reason)
	}
	fmt.Printf("%d %s\n", res.StatusCode, text)
}

func publishedKeys() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=300")
		http.ServeFile(w, r, "testdata/jwks.json")
	}))
}

func goldenToken() string {
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		log.Fatal(err)
	}
	tokens := map[string]string{}
	if err := json.Unmarshal(text, &tokens); err != nil {
		log.Fatal(err)
	}
	return tokens["ES256"]
}

func timeOfTheToken() time.Time { return time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC) }
