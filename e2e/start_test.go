package e2e

import (
	"debug/elf"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestASecondServerOnTheSameFileOrPortSaysSoInOneLine(t *testing.T) {
	s := startServer(t)
	for name, env := range map[string][]string{
		"the same port": {"DATA_DIR=" + t.TempDir()},
		"the same file": {"LISTEN_ADDR=127.0.0.1:0", "APP_URL=" + s.url},
	} {
		cmd := exec.Command(binary)
		cmd.Env, cmd.Dir = append(s.environ(), env...), s.data
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("%s: exit %v, want 1: %s", name, err, out)
		}
		if strings.Count(string(out), "\n") != 1 || !strings.HasPrefix(string(out), "gatehouse: ") {
			t.Errorf("%s: it said %q, want one line", name, out)
		}
	}
}

func TestAKilledServerLeavesNothingInTheWay(t *testing.T) {
	s := startServer(t)
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	s.start()
}

func TestTheSecretIsMadeOnceForItsOwnerAloneAndNeverReplaced(t *testing.T) {
	s := startServer(t)
	path := filepath.Join(s.data, "data", "secret.key")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("secret.key: %v, %v", info, err)
	}
	s.stop()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env, cmd.Dir = s.environ(), s.data
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "secret.key") {
		t.Errorf("without its key it said %q and exited %d", out, cmd.ProcessState.ExitCode())
	}
}

func TestAWrongSecretKeyStopsTheStartAndChangesNothing(t *testing.T) {
	s := startServer(t)
	s.stop()
	db := filepath.Join(s.data, "data", "gatehouse.db")
	cmd := exec.Command(binary)
	cmd.Env, cmd.Dir = append(s.environ(), testSecret), s.data
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "SECRET_KEY") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("it said %q and exited %d", out, cmd.ProcessState.ExitCode())
	}
	if _, err := os.Stat(db); err != nil {
		t.Error(err)
	}
	s.start() // with its own key it still works
}

func TestTheSetUpLinkMakesOneOwnerHoweverManyTry(t *testing.T) {
	eachDatabase(t, func(t *testing.T, env []string) {
		s := startServer(t, env...)
		link, err := url.Parse(s.setupURL())
		if err != nil {
			t.Fatal(err)
		}
		var made atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				jar, _ := cookiejar.New(nil)
				client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
				res, err := client.PostForm(s.url+"/setup", url.Values{
					"token": {link.Query().Get("token")}, "email": {"owner" + string(rune('a'+i)) + "@harbour.example"},
					"username": {"owner" + string(rune('a'+i))}, "password": {maraPassword},
				})
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				if res.StatusCode == http.StatusSeeOther {
					made.Add(1)
				}
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("%d owners were made, want 1", made.Load())
		}
		s.stop()
		s.start()
		if strings.Contains(s.out.String(), "/setup?token=") {
			t.Error("a set-up link was printed although there is an owner")
		}
	})
}

func TestTheProgramIsStaticSoThatItRunsInAnEmptyImage(t *testing.T) {
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a dynamic loader")
		}
	}
	docker, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"CGO_ENABLED=0 go build -trimpath -tags nomsgpack -ldflags \"-s -w\"", "USER 65532", "\"healthcheck\""} {
		if !strings.Contains(string(docker), part) {
			t.Errorf("the Dockerfile lacks %q, which these tests build or try", part)
		}
	}
	s := startServer(t)
	if out, err := s.command("", "healthcheck"); err != nil {
		t.Errorf("the health check of the image says %v: %s", err, out)
	}
	s.stop()
	if _, err := s.command("", "healthcheck"); err == nil {
		t.Error("the health check is content with a stopped server")
	}
}

func TestTheContainerFilesSetOnlySettingsThatExist(t *testing.T) {
	example, err := os.ReadFile("../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	compose, err := os.ReadFile("../compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	section, _, _ := strings.Cut(string(compose), "\n  mariadb:")
	for _, m := range regexp.MustCompile(`(?m)^      ([A-Z_]+):`).FindAllStringSubmatch(section, -1) {
		if !strings.Contains(string(example), "# "+m[1]+"=") {
			t.Errorf("compose.yaml sets %s, which is no setting", m[1])
		}
	}
}
