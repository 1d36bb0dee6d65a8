package server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "gatehouse"

// TestTheDoorsBetweenFoldersHold reads every file of the module. It parses
// instead of asking `go list`, whose answer the test cache would keep.
func TestTheDoorsBetweenFoldersHold(t *testing.T) {
	files := 0
	eachSource(t, func(name string, src []byte) {
		files++
		for _, wrong := range inspect(t, name, src) {
			t.Error(wrong)
		}
	})
	if files < 50 {
		t.Fatalf("only %d files were read", files)
	}
}

// eachSource calls visit with every source file of this module that ends up in
// the product: no tests, and not the modules of their own below it.
func eachSource(t *testing.T, visit func(name string, src []byte)) {
	t.Helper()
	const root = ".."
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return skipFolder(file, filepath.ToSlash(name))
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(file)
		if err == nil {
			visit(filepath.ToSlash(name), src)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func skipFolder(file, name string) error {
	base := path.Base(name)
	if name == "." {
		return nil
	}
	_, err := os.Stat(filepath.Join(file, "go.mod"))
	if err == nil || strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" || slices.Contains(forTests, name) {
		return filepath.SkipDir
	}
	return nil
}

// inspect returns what is wrong with one file, a line each.
func inspect(t *testing.T, name string, src []byte) []string {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}
	}
	folder := owner(path.Dir(name))
	if _, known := doors[folder]; !known {
		return []string{name + ": the folder " + path.Dir(name) + " is not in the table of doors"}
	}
	var wrong []string
	local := map[string]string{} // name in this file -> import path
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return []string{err.Error()}
		}
		local[localName(spec, imported)] = imported
		if why := refuseImport(folder, imported); why != "" {
			wrong = append(wrong, set.Position(spec.Pos()).String()+": "+folder+" must not import "+imported+": "+why)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if call, why := refuseCall(folder, n, local); why != "" {
			wrong = append(wrong, set.Position(n.Pos()).String()+": "+folder+" must not use "+call+": "+why)
		}
		return true
	})
	return wrong
}

// owner is the folder of the table that dir belongs to: itself or the nearest
// one above it.
func owner(dir string) string {
	for d := dir; d != "."; d = path.Dir(d) {
		if _, ok := doors[d]; ok {
			return d
		}
	}
	if dir == "." {
		return "."
	}
	return dir // unknown
}

func localName(spec *ast.ImportSpec, imported string) string {
	if spec.Name != nil {
		return spec.Name.Name
	}
	return path.Base(imported)
}

// refuseImport says why folder may not import a package, or "".
func refuseImport(folder, imported string) string {
	if rest, ours := strings.CutPrefix(imported, module+"/"); ours {
		return refuseOurs(folder, rest)
	}
	for _, f := range fences {
		if !slices.ContainsFunc(f.packages, func(p string) bool { return matches(p, imported) }) {
			continue
		}
		if f.only != nil && !slices.Contains(f.only, folder) || slices.Contains(f.never, folder) {
			return f.why
		}
	}
	return ""
}

func refuseOurs(folder, imported string) string {
	if slices.Contains(forTests, imported) {
		return "it is for tests"
	}
	room, allowed := owner(imported), doors[folder]
	if room == folder || slices.Contains(allowed, room) || slices.Contains(allowed, "*") {
		return ""
	}
	return "there is no such door"
}

func matches(pattern, imported string) bool {
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(imported, pattern)
	}
	return imported == pattern
}

// refuseCall says which forbidden function n names, and why it is forbidden.
// A function that is passed on counts as called.
func refuseCall(folder string, n ast.Node, local map[string]string) (call, why string) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	pkg := ""
	if id, ok := sel.X.(*ast.Ident); ok {
		pkg = local[id.Name]
	}
	for _, b := range bans {
		if slices.Contains(b.names, sel.Sel.Name) && b.pkg == pkg && !slices.Contains(b.only, folder) {
			return strings.TrimPrefix(pkg+"."+sel.Sel.Name, "."), b.why
		}
	}
	return "", ""
}

// TestTheDoorsAreShut proves that the test above notices each kind of trespass.
func TestTheDoorsAreShut(t *testing.T) {
	for _, c := range []struct {
		name, src string
		shut      bool
	}{
		{"accounts/x.go", `package accounts; import "gatehouse/tokens"`, false},
		{"tokens/x.go", `package tokens; import "gatehouse/accounts"`, true},
		{"handlers/x.go", `package handlers; import "gatehouse/internal/database"`, true},
		{"handlers/x.go", `package handlers; import "gatehouse/models"`, false},
		{"mail/templates/x.go", `package templates; import "gatehouse/tokens"`, true},
		{"internal/database/x.go", `package database; import "gatehouse/models/migrations"`, false},
		{"server/x.go", `package server; import "gatehouse/oauth"`, false},
		{"server/x.go", `package server; import "gatehouse/internal/testkit"`, true},
		{"main.go", `package main; import "gatehouse/server"`, true},
		{"utils/x.go", `package utils`, true},
		{"accounts/x.go", `package accounts; import "github.com/gin-gonic/gin"`, true},
		{"middleware/x.go", `package middleware; import "gorm.io/gorm"`, true},
		{"accounts/x.go", `package accounts; import "gorm.io/gorm"`, false},
		{"accounts/x.go", `package accounts; import "crypto/rand"`, true},
		{"accounts/x.go", `package accounts; import "math/rand"`, true},
		{"accounts/x.go", `package accounts; import "github.com/golang-jwt/jwt/v5"`, true},
		{"accounts/x.go", `package accounts; import "time"; var x = time.Now`, true},
		{"accounts/x.go", `package accounts; import clock "time"; var x = clock.Now()`, true},
		{"accounts/x.go", `package accounts; import "time"; var x time.Time`, false},
		{"server/x.go", `package server; import "time"; var x = time.Now()`, false},
		{"server/x.go", `package server; import "os"; var x = os.Getenv("X")`, true},
		{"mail/x.go", `package mail; import "fmt"; func f() { fmt.Println() }`, true},
		{"mail/x.go", `package mail; func f(db DB) { db.Transaction(nil) }`, true},
		{"mail/x.go", `package mail; func f(now func()) { clock.Now() }`, false},
	} {
		if got := inspect(t, c.name, []byte(c.src)); (len(got) > 0) != c.shut {
			t.Errorf("%s: %s: got %q, want shut %v", c.name, c.src, got, c.shut)
		}
	}
}
