package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Example is the text of .env.example, drawn from the struct tags.
func Example() string {
	var b strings.Builder
	b.WriteString("# Every setting of Gatehouse with its default. All are optional on one machine.\n")
	b.WriteString("# Copy to .env and take the # away from what you change; the environment wins over this file.\n")
	b.WriteString("# A setting marked (secret) may also come from a file: NAME_FILE=/path.\n")
	for f := range reflect.TypeFor[Config]().Fields() {
		mark := ""
		if f.Tag.Get("secret") != "" {
			mark = " (secret)"
		}
		fmt.Fprintf(&b, "\n# %s%s\n# %s=%s\n", f.Tag.Get("help"), mark, f.Tag.Get("env"), f.Tag.Get("envDefault"))
	}
	return b.String()
}
