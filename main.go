// Gatehouse is a sign-in page and token service: one program, nothing to set up.
//
// Without arguments it serves; "help" lists the other commands.
package main

import (
	"os"

	"gatehouse/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
