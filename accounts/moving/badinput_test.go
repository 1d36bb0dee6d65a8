package moving

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// all reads a file to its end: what was good, what was refused, and why the
// reading stopped, if it did.
func all(text string, o Options) (good []*Record, refused []string, stopped error) {
	s, err := Open(strings.NewReader(text), o)
	if err != nil {
		return nil, nil, err
	}
	for {
		r, err := s.Next()
		var row *RowError
		switch {
		case err == io.EOF:
			return good, refused, nil
		case errors.As(err, &row):
			refused = append(refused, row.Error())
		case err != nil:
			return good, refused, err
		default:
			good = append(good, r)
		}
	}
}

var firebaseOptions = FirebaseParams{SignerKey: "anhzcHI4S2kwUllyeWNWVTh6eWtiZExHakY=", SaltSeparator: "Bw==", Rounds: 8, MemCost: 14}

func TestFilesThatAreNoneOfOursAreRefusedWithTheReason(t *testing.T) {
	for _, c := range []struct{ name, text, from, want string }{
		{"empty", "", "", "the file is empty"},
		{"only spaces", " \n\n ", "", "the file is empty"},
		{"zip", "PK\x03\x04rest", "", "the file is a zip: unpack it first"},
		{"gzip", "\x1f\x8brest", "", "the file is compressed with gzip: unpack it first"},
		{"UTF-16", "\xff\xfee\x00", "", "the file is in UTF-16: save it as UTF-8"},
		{"binary", "email\x00\x01", "", "the file is not text"},
		{"no header", "mara@harbour.example,mara\n", "", `the header has the column "mara@harbour.example", which is unknown`},
		{"unknown column", "email,is_admin\n", "", `the header has the column "is_admin", which is unknown`},
		{"double column", "email,Email\n", "", `the header has the column "email" twice`},
		{"no address", "username,name\n", "", "the header has no column email"},
		{"semicolons", "email;name\na@b.example;A\n", "", "the columns are not separated by commas"},
		{"wrong table", "name,age\nA,7\n", "laravel", "the header has no column with the address"},
		{"realm without users", `{"realm":"x","clients":[{"users":[1]}]}`, "keycloak", `the file has no list "users"`},
		{"users of another kind", `{"users":{"a":1}}`, "keycloak", `the file has no list "users"`},
		{"not JSON", "id,email\n", "kratos", "the file is not JSON"},
		{"cut list", `[{"id":"1","traits":{"email":"a@b.example"}}`, "kratos", "row 2: the line ends in the middle of an object: the file may be cut"},
		{"cut object", `[{"id":"1","traits":{"ema`, "kratos", "row 1: the line ends in the middle of an object: the file may be cut"},
		{"endless value", `[{"id":"` + strings.Repeat("x", 10<<20) + `"}]`, "kratos", "row 1: it is longer than 1 MiB"},
		{"endless quote", "email,name\na@b.example,\"" + strings.Repeat("x\n", 5<<20), "", "it is longer than 1 MiB; a quote or a bracket may not be closed"},
		{"endless LDIF line", "dn: x\ncn: " + strings.Repeat("x", 10<<20), "ldif", "it is longer than 1 MiB"},
		{"Firebase without parameters", `{"users":[]}`, "firebase-", "the hashes of Firebase need the project's parameters"},
		{"unknown system", `{}`, "passport", `"passport" is no system that we know`},
	} {
		o := Options{From: strings.TrimSuffix(c.from, "-")}
		if !strings.HasSuffix(c.from, "-") {
			o.Firebase = firebaseOptions
		}
		good, refused, err := all(c.text, o)
		said := strings.Join(refused, "\n")
		if err != nil {
			said += err.Error()
		}
		if !strings.Contains(said, c.want) {
			t.Errorf("%s: %d rows, %q, want %q", c.name, len(good), said, c.want)
		}
	}
}

func TestARowThatCannotBeReadDoesNotStopTheOthers(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"long line", `{"email":"` + strings.Repeat("x", 10<<20) + `"}` + "\n" + `{"email":"a@b.example"}`, "row 1: the line is longer than 1 MiB"},
		{"not UTF-8", `{"email":"` + "\xe9" + `@b.example"}` + "\n" + `{"email":"a@b.example"}`, "row 1: it is not UTF-8"},
		{"half a line at the end", `{"email":"a@b.example"}` + "\n" + `{"email":"c@b.ex`, "row 2: the line ends in the middle of an object: the file may be cut"},
		{"CSV not UTF-8", "email,name\nx@b.example,J\xf6rg\na@b.example,A\n", "row 2: name: it is not UTF-8"},
		{"CSV with a column too many", "email,name\nx@b.example,A,B\na@b.example,A\n", "row 2: it has 3 columns and the header 2"},
		{"CSV cut", "email,name\na@b.example,A\nx@b", "row 3: it has 1 columns and the header 2"},
		{"CSV without a verdict", "email,email_verified\nx@b.example,maybe\na@b.example,yes\n", `row 2 ("x@b.example"): email_verified: "maybe" is neither true nor false`},
	} {
		good, refused, err := all(c.text, Options{})
		if err != nil || len(good) != 1 || good[0].Email != "a@b.example" || len(refused) != 1 || refused[0] != c.want {
			t.Errorf("%s: %d good, %q, %v", c.name, len(good), refused, err)
		}
	}
}

func TestAnObjectWithAKeyTwiceIsRefused(t *testing.T) {
	for _, c := range []struct{ from, text, want string }{
		{"", `{"email":"x@b.example","email":"y@b.example"}`, `row 1: the field "email" is there twice`},
		{"", `{"email":"x@b.example","password_hash":"$2b$10$x","Password_Hash":"$2b$10$y"}`, `row 1: the field "Password_Hash" is there twice`},
		{"", `{"email":"x@b.example","passkeys":[{"id":"a"},{"id":"a","\u0069d":"b"}]}`, `row 1: the field "id" is there twice`},
		{"kratos", `[{"id":"1","traits":{"email":"x@b.example","email":"y@b.example"}}]`, `row 1: the field "email" is there twice`},
	} {
		good, refused, err := all(c.text, Options{From: c.from})
		if err != nil || len(good) != 0 || len(refused) != 1 || refused[0] != c.want {
			t.Errorf("%s: %d good, %q, %v; want %q", c.text, len(good), refused, err, c.want)
		}
	}
	// The same key in two objects is no key twice.
	if good, refused, err := all(`{"email":"a@b.example","passkeys":[],"roles":["name","name","email"]}`, Options{}); err != nil || len(good) != 1 {
		t.Errorf("%d good, %q, %v", len(good), refused, err)
	}
}

func TestAByteOrderMarkAndWindowsLineEndsAreRead(t *testing.T) {
	for _, text := range []string{
		"\xef\xbb\xbfemail,name\r\na@b.example,A\r\n", "\xef\xbb\xbf" + `{"email":"a@b.example","name":"A"}` + "\r\n\r\n",
	} {
		good, refused, err := all(text, Options{})
		if err != nil || len(good) != 1 || len(refused) > 0 || good[0].Email != "a@b.example" || good[0].Name != "A" {
			t.Errorf("%q: %v %v %v", text, good, refused, err)
		}
	}
}

func TestOurCSVHasEveryFieldThatFitsATable(t *testing.T) {
	good, refused, err := all("id,external_id,email,email_verified,username,name,roles,disabled,password_hash,totp_seed,created_at\n"+
		`01890a5d-ac96-774b-bcce-b302099a8051,x1,a@b.example,TRUE,ada,"Ada, L",admin editor,0,$2b$10$x,GEZDGNBVGY3TQOJQ,1700000000`+"\n", Options{})
	if err != nil || len(refused) > 0 || len(good) != 1 {
		t.Fatal(good, refused, err)
	}
	r := good[0]
	if r.Row != 2 || r.ExternalID != "x1" || !r.EmailVerified || r.Name != "Ada, L" || len(r.Roles) != 2 || r.Disabled || r.TOTP == nil || r.CreatedAt.Year() != 2023 {
		t.Errorf("%+v", r)
	}
}

func TestSecretsOfAuthenticatorsHaveOneSpelling(t *testing.T) {
	for in, want := range map[string]string{
		"gezd gnbv-gy3tqojq==":                                                               "GEZDGNBVGY3TQOJQ",
		"otpauth://totp/A:b?secret=GEZDGNBVGY3TQOJQ&issuer=A":                                "GEZDGNBVGY3TQOJQ",
		"otpauth://totp/A:b?secret=GEZDGNBVGY3TQOJQ&algorithm=HmacSHA256&digits=8&period=60": "otpauth://totp/x?algorithm=SHA256&digits=8&period=60&secret=GEZDGNBVGY3TQOJQ",
	} {
		got, err := ParseTOTP(in)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v %v", in, got, err)
			continue
		}
		if again, err := ParseTOTP(got.String()); err != nil || again.String() != want {
			t.Errorf("%s again: %v %v", in, again, err)
		}
	}
	for _, bad := range []string{"", "GEZD", "1111", "otpauth://hotp/x?secret=GEZDGNBVGY3TQOJQ", "otpauth://totp/x", strings.Repeat("A", 400),
		"otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&digits=3", "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&algorithm=MD5", "otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&period=x"} {
		if got, err := ParseTOTP(bad); err == nil {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
}

// FuzzFiles reads anything as every kind of file. Nothing may panic, hang or
// yield a row without a number.
func FuzzFiles(f *testing.F) {
	kinds := append(Systems(), "")
	files, _ := filepath.Glob("testdata/*.in.*")
	for i, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, string(text))
	}
	for i, text := range []string{"email,name\na@b.example,A\n", `{"email":"a@b.example","passkeys":[{"credential_id":"YQ"}]}`, "[", "{", `{"users":[`, "dn:: !\n \n x"} {
		f.Add(len(kinds)-1-i%2, text)
	}
	f.Fuzz(func(t *testing.T, kind int, text string) {
		from := kinds[uint(kind)%uint(len(kinds))]
		good, refused, _ := all(text, Options{From: from, Firebase: firebaseOptions})
		if len(good)+len(refused) > len(text)+1 {
			t.Errorf("%d rows from %d bytes", len(good)+len(refused), len(text))
		}
		for _, r := range good {
			if r.Row < 1 {
				t.Errorf("a row without a number: %+v", r)
			}
			if r.TOTP != nil {
				if again, err := ParseTOTP(r.TOTP.String()); err != nil || fmt.Sprint(again) != fmt.Sprint(r.TOTP) {
					t.Errorf("%v is written as %s", r.TOTP.Secret, r.TOTP)
				}
			}
		}
	})
}
