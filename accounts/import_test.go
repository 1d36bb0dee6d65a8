package accounts

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"

	"gatehouse/accounts/moving"
	"gatehouse/models"
)

// update rewrites what the exports of other systems become; look at the change.
var update = flag.Bool("update", false, "rewrite the files *.want")

// shelf is a store of factors without signin, which this room may not import.
func shelf(d *Deps) {
	kept := map[models.ID]*Factors{}
	d.Factors = FactorStore{
		Import: func(_ *gorm.DB, list []Factors) error {
			for _, f := range list {
				for _, other := range kept {
					for _, p := range other.Passkeys {
						for _, mine := range f.Passkeys {
							if bytes.Equal(p.CredentialID, mine.CredentialID) {
								return gorm.ErrDuplicatedKey
							}
						}
					}
				}
				f.CreatedAt = models.Time{}
				kept[f.User] = &f
			}
			return nil
		},
		Export: func(*gorm.DB, models.ID, models.ID) (map[models.ID]*Factors, error) { return kept, nil },
		Known: func(_ *gorm.DB, ids [][]byte) (map[string]models.ID, error) {
			out := map[string]models.ID{}
			for user, f := range kept {
				for _, p := range f.Passkeys {
					for _, id := range ids {
						if bytes.Equal(p.CredentialID, id) {
							out[string(id)] = user
						}
					}
				}
			}
			return out, nil
		},
	}
}

// taken imports text and returns what became of it and what was refused.
func (h *house) take(text string, o moving.Options) (Imported, []string) {
	h.t.Helper()
	source, err := moving.Open(strings.NewReader(text), o)
	if err != nil {
		h.t.Fatal(err)
	}
	var refused []string
	done, err := h.Import(h.ctx(), Import{Source: source, By: visitor, Refused: func(e *moving.RowError) { refused = append(refused, e.Error()) }})
	if err != nil {
		h.t.Fatal(err)
	}
	return done, refused
}

func (h *house) export() string {
	h.t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if _, err := h.Export(h.ctx(), func(u *moving.User) error { return enc.Encode(u) }); err != nil {
		h.t.Fatal(err)
	}
	return b.String()
}

const everything = `{"id":"01890a5d-ac96-774b-bcce-b302099a8051","email":"Ada.L@Harbour.Example","email_verified":true,"username":"Ada","name":"Ada <L> & Ä","roles":["admin","editor"],"disabled":false,"password_hash":"$2b$10$eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","totp_seed":"otpauth://totp/x?algorithm=SHA256&digits=8&period=60&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ","passkeys":[{"credential_id":"Y3JlZDE","public_key":"Y29zZQ","sign_count":7,"transports":["internal","hybrid"],"aaguid":"01890a5d-ac96-774b-bcce-b302099a8057","backup_eligible":true,"backup_state":false,"rp_id":"localhost","user_handle":"aGFuZGxl","name":"Telephone","created_at":"2024-01-02T03:04:05.123456Z","last_used_at":"2025-01-02T03:04:05Z"}],"recovery_code_hashes":["sha256:0000000000000000000000000000000000000000000000000000000000000001","$2b$10$eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"],"created_at":"2020-02-03T04:05:06.789012Z","external_id":"old:ä/7"}
{"id":"01890a5d-ac96-774b-bcce-b302099a8052","email":"b@harbour.example","email_verified":false,"roles":[],"disabled":true,"created_at":"2020-02-03T04:05:06.000000Z"}
`

func TestWhatIsExportedIsImportedByteForByte(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		if done, refused := h.take(everything, moving.Options{}); done.Created != 2 || len(refused) > 0 || done.Factors != 1 || done.NoPassword != 1 {
			t.Fatalf("%+v %v", done, refused)
		}
		if diff := cmp.Diff(everything, h.export()); diff != "" {
			t.Fatal(diff)
		}
		if done, refused := h.take(everything, moving.Options{}); done.Present != 2 || done.Created != 0 || len(refused) > 0 {
			t.Errorf("again: %+v %v", done, refused)
		}
		if diff := cmp.Diff(everything, h.export()); diff != "" {
			t.Error(diff)
		}
	}, shelf)
}

func TestPeopleWhoSignedUpAreExportedToo(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("mara@harbour.example", "mara")
		if out := h.export(); !strings.Contains(out, u.ID.String()) || !strings.Contains(out, "$argon2id$") || strings.Count(out, "\n") != 1 {
			t.Error(out)
		}
	})
}

func TestRefusedRowsAreNamedAndTheOthersTaken(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		old := h.person("mara@harbour.example", "mara")
		done, refused := h.take(strings.Join([]string{
			`{"email":"a@harbour.example","username":"ada","external_id":"1"}`,
			`{"email":"A@Harbour.example","external_id":"2"}`,
			`{"email":"b@harbour.example","username":"ADA","external_id":"3"}`,
			`{"email":"c@harbour.example","external_id":"1"}`,
			`{"email":"mara@harbour.example","external_id":"4"}`,
			`{"email":"d@harbour.example","username":"Mara"}`,
			`{"email":"mara@harbour.example"}`,
			`{"email":"Bob <bob@harbour.example>"}`, `{"email":"a@@harbour.example"}`, `{"email":"a@b@harbour.example"}`,
			`{"email":"x@harbour.example\r\nBcc: y@harbour.example"}`, `{"email":"\"x y\"@harbour.example"}`, `{"email":"x@[127.0.0.1]"}`,
			`{"email":"x@harbour.example, y@harbour.example"}`, `{"email":"x@harbour"}`, `{"email":"x@harbour.example."}`, `{"email":""}`,
			`{"email":"` + strings.Repeat("x", 250) + `@harbour.example"}`, `{"email":"jörg@harbour.example"}`,
			`{"email":"e@harbour.example","name":"a\u0000b"}`, `{"email":"e@harbour.example","username":"e@e"}`,
			`{"email":"e@harbour.example","roles":["Admin!"]}`, `{"email":"e@harbour.example","id":"7"}`,
			`{"email":"e@harbour.example","password_hash":"secret"}`, `{"email":"e@harbour.example","password_hash":"$2b$31$` + strings.Repeat("a", 53) + `"}`,
			`{"email":"e@harbour.example","password_hash":"$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg"}`,
			`{"email":"e@harbour.example","password_hash":"$pbkdf2-sha256$2147483648$c2FsdA$nf65EOgLrQMR/uIPnA4rEg"}`,
			`{"email":"e@harbour.example","totp_seed":"short"}`, `{"email":"e@harbour.example","passkeys":[{"credential_id":"a"}]}`,
			`{"email":"e@harbour.example","passkeys":[{"credential_id":"","public_key":"YQ"}]}`, `{"email":"e@harbour.example","recovery_code_hashes":["1234"]}`,
			`{"email":"e@harbour.example","created_at":"yesterday"}`, `{"email":"e@harbour.example","is_admin":true}`, `{"email":7}`, `[1]`, `{"email":"e@harbour.example"} {}`,
			`{"email":"last@harbour.example","disabled":true}`,
			`{"email":"cut@harbour.exa`,
		}, "\n"), moving.Options{})
		want := []string{
			`row 8 ("Bob <bob@harbour.example>"): email: it is not one plain address like name@example.com`,
			`row 2 ("A@Harbour.example"): email: row 1 has the same`,
			`row 3 ("b@harbour.example"): username: row 1 has the same`,
			`row 4 ("c@harbour.example"): external_id: row 1 has the same`,
			`row 5 ("mara@harbour.example"): email: the account ` + old.ID.String() + `, which was there before, has it`,
			`row 6 ("d@harbour.example"): username: the account ` + old.ID.String() + `, which was there before, has it`,
			`row 24 ("e@harbour.example"): password_hash: not a hash of a known kind`,
			`row 25 ("e@harbour.example"): password_hash: the bcrypt cost is outside 4 to 14`,
			`row 33 ("e@harbour.example"): the field "is_admin" is unknown`,
			`row 34: the field "email" holds a JSON number and should not`,
			`row 36 ("e@harbour.example"): there is more on the line than one object`,
			`row 38: the line ends in the middle of an object: the file may be cut`,
		}
		text := strings.Join(refused, "\n") + "\n"
		for _, w := range want {
			if !strings.Contains(text, w+"\n") {
				t.Errorf("missing: %s", w)
			}
		}
		if done.Rows != 38 || done.Created != 2 || done.Present != 0 || done.Refused != 36 || len(refused) != 36 {
			t.Errorf("%+v\n%s", done, text)
		}
		last, err := h.ByLogin(h.ctx(), "last@harbour.example")
		if err != nil || last == nil || last.DisabledAt.IsZero() {
			t.Errorf("%+v %v", last, err)
		}
	}, shelf)
}

func TestAHomographIsAnotherAddressAndPunycodeTheSame(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		done, refused := h.take(`{"email":"a@harbour.example"}`+"\n"+`{"email":"a@hаrbour.example"}`+"\n"+ // Cyrillic а
			`{"email":"a@bücher.example"}`+"\n"+`{"email":"a@xn--bcher-kva.example"}`, moving.Options{})
		if done.Created != 3 || len(refused) != 1 || !strings.Contains(refused[0], "row 3 has the same") {
			t.Errorf("%+v %v", done, refused)
		}
	})
}

func TestARowOfALaterBatchThatComesAgainIsRefusedWithBothNumbers(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		var b strings.Builder
		for i := range importBatch + 5 {
			fmt.Fprintf(&b, `{"email":"p%d@harbour.example"}`+"\n", i)
		}
		b.WriteString(`{"email":"P7@harbour.example"}` + "\n")
		for range 2 { // the second time everybody is there, and the row is still double
			_, refused := h.take(b.String(), moving.Options{})
			if len(refused) != 1 || refused[0] != fmt.Sprintf(`row %d ("P7@harbour.example"): email: row 8 has the same`, importBatch+6) {
				t.Errorf("%v", refused)
			}
		}
	})
}

func TestAnImportThatWasStoppedGoesOn(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		lines := strings.SplitAfter(manyLines(2500), "\n")
		if done, _ := h.take(strings.Join(lines[:1700], ""), moving.Options{}); done.Created != 1700 {
			t.Fatalf("%+v", done)
		}
		done, refused := h.take(strings.Join(lines, ""), moving.Options{})
		if done.Present != 1700 || done.Created != 800 || len(refused) > 0 {
			t.Errorf("%+v %v", done, refused)
		}
	})
}

func TestADryRunWritesNothing(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.person("mara@harbour.example", "mara")
		source, err := moving.Open(strings.NewReader(everything+`{"email":"mara@harbour.example"}`+"\n"+
			`{"email":"weak@harbour.example","password_hash":"$1$38652870$DUjsu4TTlTsOe/xxZ05uf/"}`), moving.Options{})
		if err != nil {
			t.Fatal(err)
		}
		before := h.export()
		done, err := h.Import(h.ctx(), Import{Source: source, DryRun: true, By: visitor})
		if err != nil || done.Created != 3 || done.Present != 1 || done.Weak != 1 || h.export() != before {
			t.Errorf("%+v %v", done, err)
		}
	}, shelf)
}

func TestPasskeysOfAnotherDomainAreLost(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		done, _ := h.take(strings.ReplaceAll(everything, `"rp_id":"localhost"`, `"rp_id":"other.example"`), moving.Options{})
		if done.Lost[moving.LostPasskeyDomain] != 1 || strings.Contains(h.export(), "passkeys") {
			t.Errorf("%+v", done)
		}
	}, shelf)
}

func TestAnImportedOwnerEndsTheSetUp(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		h.take(`{"email":"a@harbour.example","roles":["owner"]}`, moving.Options{})
		err := h.db.CausalRead(h.ctx(), func(tx *gorm.DB) error {
			has, err := hasOwner(tx)
			if !has {
				t.Error("no owner")
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestExportsOfOtherSystemsAreTakenIn reads the small exports beside the
// readers and compares what an export of ours then says, without ids.
func TestExportsOfOtherSystemsAreTakenIn(t *testing.T) {
	files, err := filepath.Glob("moving/testdata/*.want")
	if err != nil || len(files) != len(moving.Systems()) {
		t.Fatalf("%v %v", files, err)
	}
	for _, want := range files {
		system := strings.TrimSuffix(filepath.Base(want), ".want")
		t.Run(system, func(t *testing.T) {
			eachHouse(t, func(t *testing.T, h *house) {
				inputs, _ := filepath.Glob("moving/testdata/" + system + ".in.*")
				text, err := os.ReadFile(inputs[0])
				if err != nil {
					t.Fatal(err)
				}
				done, refused := h.take(string(text), moving.Options{From: system, Firebase: moving.FirebaseParams{
					SignerKey:     "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
					SaltSeparator: "Bw==", Rounds: 8, MemCost: 14,
				}})
				report, _ := json.Marshal(done)
				got := fmt.Sprintf("%s%s\n%s\n", withoutIDs(h.export()), report, strings.Join(refused, "\n"))
				if *update {
					if err := os.WriteFile(want, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				expected, _ := os.ReadFile(want)
				if diff := cmp.Diff(string(expected), got); diff != "" {
					t.Error(diff)
				}
			}, shelf)
		})
	}
}

func withoutIDs(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("{" + line[len(`{"id":"01890a5d-ac96-774b-bcce-b302099a8051",`):])
	}
	return b.String()
}

func TestANameThatWaitsForSomebodyIsNotImported(t *testing.T) {
	eachHouse(t, func(t *testing.T, h *house) {
		u := h.person("mara@harbour.example", "mara")
		until := models.At(h.clock.Now().Add(usernameKept))
		err := h.db.Write(h.ctx(), func(tx *gorm.DB) error {
			if err := keep(tx, keptUsername, []byte("sol"), u.ID, until); err != nil {
				return err
			}
			return keep(tx, keptEmail, []byte("old@harbour.example"), u.ID, until)
		})
		if err != nil {
			t.Fatal(err)
		}
		done, refused := h.take(`{"email":"a@harbour.example","username":"Sol"}`+"\n"+`{"email":"old@harbour.example"}`+"\n"+`{"email":"b@harbour.example"}`, moving.Options{})
		text := strings.Join(refused, "\n")
		if done.Created != 1 || len(refused) != 2 || !strings.Contains(text, "row 1 ") || !strings.Contains(text, "row 2 ") {
			t.Errorf("%+v\n%s", done, text)
		}
	})
}
