package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gatehouse/internal/apperr"
	"gatehouse/locales"
)

func addPasswordFlag(cmd *cobra.Command, stdin *bool) {
	cmd.Flags().BoolVar(stdin, "password-stdin", false, "read the password from the first line of standard input")
}

func addJSONFlag(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print JSON, one object a line")
}

// readPassword asks at the terminal, twice and without echo, or takes the
// first line of standard input. Never an argument: those are seen by every
// user of the machine and kept in the shell's history.
func readPassword(cmd *cobra.Command, stdin bool, minLength int) (string, error) {
	if stdin {
		line, err := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	f, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", usageError{errors.New("no terminal to ask for the password: use --password-stdin")}
	}
	first, err := ask(cmd, f, fmt.Sprintf("Password (at least %d characters, 15 are better): ", minLength))
	if err != nil {
		return "", err
	}
	again, err := ask(cmd, f, "Once more: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("the two passwords differ: nothing was changed")
	}
	return first, nil
}

func ask(cmd *cobra.Command, f *os.File, prompt string) (string, error) {
	fmt.Fprint(cmd.ErrOrStderr(), prompt)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	return string(b), err
}

// explain puts an application error into the same words as the pages use. A
// hidden cause is shown as well: whoever runs a command may see it.
func explain(err error) error {
	e, ok := errors.AsType[*apperr.Error](err)
	if !ok {
		return err
	}
	text := locales.Text("en", "error."+e.Reason, e.Params)
	for name, f := range e.Fields {
		text = name + ": " + locales.Text("en", "field."+f.Reason, f.Params)
	}
	if cause := e.Unwrap(); cause != nil {
		return fmt.Errorf("%s (%w)", text, cause)
	}
	return errors.New(text)
}
