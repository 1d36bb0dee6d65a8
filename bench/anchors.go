package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	jwt "github.com/appleboy/gin-jwt/v2"
	"github.com/gin-gonic/gin"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	_ "modernc.org/sqlite"
)

// runAnchor is "bench anchor NAME PORT": a server as bare as can be, in a
// process of its own, so that its CPU time can be told from the product's.
func runAnchor(name, port string) error {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.GET("/hello", func(c *gin.Context) { c.String(http.StatusOK, "hello") })
	switch name {
	case "hello":
	case "follower":
		held, err := follow()
		if err != nil {
			return err
		}
		e.GET("/held", gin.WrapF(held))
	case "ginjwt":
		if err := addGinJWT(e); err != nil {
			return err
		}
	default:
		return fmt.Errorf("no anchor %q", name)
	}
	return http.ListenAndServe("127.0.0.1:"+port, e)
}

// addGinJWT is a peer: appleboy/gin-jwt with one user, bcrypt at cost 10.
func addGinJWT(e *gin.Engine) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(benchPassword), 10)
	if err != nil {
		return err
	}
	type form struct{ Username, Password string }
	mw, err := jwt.New(&jwt.GinJWTMiddleware{
		Key: []byte("0123456789abcdef0123456789abcdef"), Timeout: time.Hour, IdentityKey: "id",
		PayloadFunc: func(any) jwt.MapClaims { return jwt.MapClaims{"id": "bench"} },
		Authenticator: func(c *gin.Context) (any, error) {
			var f form
			if err := c.ShouldBindJSON(&f); err != nil || bcrypt.CompareHashAndPassword(hash, []byte(f.Password)) != nil {
				return nil, jwt.ErrFailedAuthentication
			}
			return f.Username, nil
		},
	})
	if err != nil {
		return err
	}
	e.POST("/login", mw.LoginHandler)
	e.GET("/auth", mw.MiddlewareFunc(), func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"sub": jwt.ExtractClaims(c)["id"]}) })
	return nil
}

// bareHashes runs argon2id on every processor for d: the most that any
// sign-in with these parameters can reach on this machine.
func bareHashes(workers int, d time.Duration) sample {
	before, _ := cpuTime(os.Getpid())
	begin := time.Now()
	counts := make([]int, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for time.Since(begin) < d {
				argon2.IDKey([]byte(benchPassword), []byte("0123456789abcdef"), 2, 19*1024, 1, 32)
				counts[i]++
			}
		})
	}
	wg.Wait()
	took, n := time.Since(begin), 0
	after, _ := cpuTime(os.Getpid())
	for _, c := range counts {
		n += c
	}
	return sample{perSecond: float64(n) / took.Seconds(), cpuMicros: float64((after - before).Microseconds()) / float64(n)}
}

// rawCommits is one writer that updates one row in a transaction, again and
// again, with the same journal and synchronous setting as the product.
func rawCommits(path string, d time.Duration) (sample, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return sample{}, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n INTEGER); INSERT OR IGNORE INTO t VALUES (1, 0)"); err != nil {
		return sample{}, err
	}
	stmt, err := db.Prepare("UPDATE t SET n = n + 1 WHERE id = 1")
	if err != nil {
		return sample{}, err
	}
	defer stmt.Close()
	before, _ := cpuTime(os.Getpid())
	begin, n := time.Now(), 0
	for time.Since(begin) < d {
		if _, err := stmt.Exec(); err != nil {
			return sample{}, err
		}
		n++
	}
	took := time.Since(begin)
	after, _ := cpuTime(os.Getpid())
	return sample{perSecond: float64(n) / took.Seconds(), cpuMicros: float64((after - before).Microseconds()) / float64(n)}, nil
}
