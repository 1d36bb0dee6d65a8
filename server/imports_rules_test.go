package server_test

// doors says which of our folders each folder may import. A folder that is not
// listed fails the test: decide first what it may know.
var doors = map[string][]string{
	".": {"cli"},

	"config": nil, "locales": nil, "static": nil, "models": nil, "verify": nil,
	"internal/apperr": nil, "internal/secrets": nil, "internal/metrics": nil,
	"internal/safehttp": nil, "internal/openapi": nil,

	"internal/argon2":     nil,
	"internal/passwords":  {"internal/argon2", "internal/apperr", "internal/metrics", "internal/secrets"},
	"internal/lease":      {"internal/apperr", "internal/metrics"},
	"internal/database":   {"internal/lease", "internal/apperr", "internal/metrics", "models"},
	"internal/jobs":       {"internal/lease", "internal/metrics"},
	"internal/ratelimit":  {"internal/database", "models", "internal/apperr", "internal/metrics"},
	"internal/work":       {"internal/database", "models", "internal/apperr", "internal/secrets"},
	"internal/websession": {"tokens", "internal/secrets", "internal/apperr"},

	"audit": {"internal/database", "models", "internal/apperr", "internal/secrets", "internal/metrics", "internal/safehttp"},
	"mail":  {"internal/database", "models", "locales", "internal/apperr", "internal/secrets", "internal/metrics"},
	"keys":  {"internal/database", "models", "audit", "internal/apperr", "internal/secrets"},
	"tokens": {"internal/database", "models", "keys", "audit", "internal/apperr", "internal/secrets", "verify",
		"internal/ratelimit", "internal/work", "internal/metrics"},
	// The shapes of files, and nothing of what is done with them.
	"accounts/moving": {"internal/passwords"},
	"accounts": {"accounts/moving", "internal/database", "models", "tokens", "mail", "audit", "internal/apperr", "internal/secrets",
		"internal/passwords", "internal/ratelimit", "internal/work", "internal/metrics"},
	"federation": {"internal/database", "models", "audit", "internal/apperr", "internal/secrets", "internal/safehttp"},
	"signin": {"internal/database", "models", "accounts", "tokens", "federation", "mail", "audit", "internal/apperr",
		"internal/secrets", "internal/passwords", "internal/ratelimit", "internal/work", "internal/metrics"},
	"oauth": {"internal/database", "models", "accounts", "tokens", "keys", "audit", "internal/apperr",
		"internal/secrets", "internal/safehttp", "internal/ratelimit"},

	"templates": {"locales", "static", "internal/apperr"},
	"middleware": {"tokens", "models", "accounts", "templates", "locales", "internal/apperr", "internal/secrets",
		"internal/ratelimit", "internal/work", "internal/websession", "internal/metrics", "verify"},
	"handlers": append([]string{"models", "templates", "locales", "static", "internal/openapi", "middleware",
		"internal/apperr", "internal/secrets", "internal/websession", "verify"}, rooms...),
	"server":           {"*"},
	"verify/ginverify": {"verify"},
	"examples/orders":  {"verify"},
	"cli": append([]string{"accounts/moving", "config", "server", "models", "locales", "internal/database", "internal/apperr",
		"internal/secrets", "internal/passwords"}, rooms...),
}

// rooms decide what the product does.
var rooms = []string{"accounts", "signin", "tokens", "keys", "oauth", "federation", "audit", "mail"}

// forTests may be imported by tests only, and may do what tests may.
var forTests = []string{"internal/testkit", "internal/testrooms", "internal/testserver"}

// fence keeps packages from outside in some folders.
type fence struct {
	packages []string // import paths; one that ends in a slash is a prefix
	only     []string // the folders that may import them; nil is all
	never    []string // the folders that may not
	why      string
}

var fences = []fence{
	{packages: []string{"github.com/gin-gonic/", "github.com/gin-contrib/"},
		only: []string{"handlers", "middleware", "internal/websession", "server", "verify/ginverify"},
		why:  "Gin stops at the skin"},
	{packages: []string{"gorm.io/"},
		never: []string{"handlers", "middleware", "templates", "config", "cli", "verify", "internal/websession"},
		why:   "the skin never queries"},
	{packages: []string{"gorm.io/driver/", "modernc.org/", "github.com/go-sql-driver/", "github.com/pressly/"},
		only: []string{"internal/database"},
		why:  "only internal/database knows drivers"},
	{packages: []string{"github.com/golang-jwt/"},
		only: []string{"tokens", "keys", "verify", "federation"},
		why:  "one strict verifier per kind of token"},
	{packages: []string{"crypto/rand"},
		only: []string{"internal/secrets", "verify"},
		why:  "secrets come from internal/secrets"},
	{packages: []string{"math/rand"}, only: []string{}, why: "it is not random enough for anything"},
	{packages: []string{"math/rand/v2"},
		only: []string{"internal/database", "internal/jobs", "tokens", "mail", "verify"},
		why:  "it is for the jitter of waits alone"},
	{packages: []string{"text/template"}, only: []string{"cli", "config", "mail"},
		why: "pages need the escaping of html/template"},
}

// ban keeps calls in some folders.
type ban struct {
	pkg   string   // import path; "" is a method of anything
	names []string // functions
	only  []string // the folders that may call them
	why   string
}

var bans = []ban{
	{pkg: "os", names: []string{"Getenv", "LookupEnv"}, only: []string{"config"}, why: "settings come from config"},
	{pkg: "time", names: []string{"Now", "Since", "Until"}, only: []string{"server", "verify"}, why: "a room is given its clock"},
	{pkg: "fmt", names: []string{"Print", "Printf", "Println"}, only: []string{"cli"}, why: "only cli talks to the terminal"},
	{pkg: "", names: []string{"Transaction", "AutoMigrate"}, only: []string{"internal/database"}, why: "write through database.Write"},
}
