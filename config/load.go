package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"
)

// maxSecretFile bounds what NAME_FILE may hold, so that a wrong path (a log, a
// device) cannot fill the memory.
const maxSecretFile = 64 << 10

// Load reads the environment and, where a name is missing there, ./.env. Every
// error is one line that names the variable, what is wrong and what would be
// right. It writes nothing.
func Load() (Config, error) { return load(os.Environ(), ".env") }

func load(environ []string, dotenv string) (Config, error) {
	vars, err := gather(environ, dotenv)
	if err != nil {
		return Config{}, err
	}
	if err := readSecretFiles(vars); err != nil {
		return Config{}, err
	}
	dropEmpty(vars)
	var c Config
	if err := env.ParseWithOptions(&c, env.Options{Environment: vars}); err != nil {
		return Config{}, oneLine(err)
	}
	c.fillDefaults()
	return c, c.Validate()
}

func gather(environ []string, dotenv string) (map[string]string, error) {
	vars, err := godotenv.Read(dotenv)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		vars = map[string]string{}
	case err != nil:
		return nil, fmt.Errorf("%s: cannot be read as NAME=value lines: %w", dotenv, err)
	}
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	return vars, nil
}

// readSecretFiles fills NAME from the file that NAME_FILE names, for every
// secret. Both at once is refused: nobody could tell which one counts.
func readSecretFiles(vars map[string]string) error {
	for f := range reflect.TypeFor[Config]().Fields() {
		if f.Tag.Get("secret") == "" {
			continue
		}
		name := f.Tag.Get("env")
		path := vars[name+"_FILE"]
		if path == "" {
			continue
		}
		if vars[name] != "" {
			return fmt.Errorf("%s and %s_FILE are both set: keep one of them", name, name)
		}
		value, err := readSmall(path)
		if err != nil {
			return fmt.Errorf("%s_FILE: %w", name, err)
		}
		vars[name] = value
	}
	return nil
}

func readSmall(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSecretFile {
		return "", fmt.Errorf("%s has more than %d bytes: that is no secret", path, maxSecretFile)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// dropEmpty lets NAME= mean "not set", as compose files write it.
func dropEmpty(vars map[string]string) {
	for name, value := range vars {
		if value == "" {
			delete(vars, name)
		}
	}
}

// oneLine turns the parser's list of errors into its first, with the name that
// the operator wrote instead of the field's.
func oneLine(err error) error {
	var list env.AggregateError
	if errors.As(err, &list) && len(list.Errors) > 0 {
		err = list.Errors[0]
	}
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	f, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
	return fmt.Errorf("%s: %s", f.Tag.Get("env"), wanted(parse))
}

func wanted(p env.ParseError) string {
	switch p.Type.String() {
	case "bool":
		return "want true or false"
	case "int":
		return "want a whole number"
	case "time.Duration":
		return "want a duration such as 30s, 10m or 720h"
	}
	return p.Err.Error()
}
