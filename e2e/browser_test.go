package e2e

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

//go:embed testdata/axe/axe.min.js
var axe string

// browser is one real Chromium window with a profile of its own.
type browser struct {
	t   *testing.T
	s   *server
	ctx context.Context

	mu       sync.Mutex
	problems []string // what the console and the policy reported
}

func newBrowser(t *testing.T, s *server) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1280, 900),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("no-first-run", true),
		chromedp.Flag("lang", "en"), chromedp.Env("LANG=en_US.UTF-8", "LANGUAGE=en"), chromedp.WSURLReadTimeout(60*time.Second),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	b := &browser{t: t, s: s, ctx: ctx}
	chromedp.ListenTarget(ctx, b.listen)
	// The first step starts the browser, which lives as long as its context.
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	b.do(log.Enable(), runtime.Enable(), network.Enable(), audits.Enable(),
		network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": "en"}))
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range b.problems {
			t.Errorf("the browser reported: %s", p)
		}
	})
	return b
}

// listen collects what a visitor would never see and a careful developer would:
// console messages, exceptions, reports of the content security policy.
func (b *browser) listen(event any) {
	var said string
	switch e := event.(type) {
	case *log.EventEntryAdded:
		// A 401, 422 or 404 that a test asked for is logged by the browser too.
		if e.Entry.Source != log.SourceNetwork {
			said = e.Entry.Text
		}
	case *runtime.EventExceptionThrown:
		said = e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		said = fmt.Sprint(e.Type)
	case *audits.EventIssueAdded:
		// Forms that autofill cannot read, blocked resources, reports of the policy.
		details, err := json.Marshal(e.Issue.Details)
		said = fmt.Sprint("issue ", e.Issue.Code, ": ", string(details), err)
		// A passkey by autofill goes on without a click, as it is meant to.
		if strings.Contains(said, "NavigationEntryMarkedSkippable") {
			said = ""
		}
	}
	if said != "" {
		b.mu.Lock()
		b.problems = append(b.problems, said)
		b.mu.Unlock()
	}
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatalf("browser at %s: %v\n%s", b.path(), err, b.text("body"))
	}
}

// within bounds one step, so that an element that is not there fails its test
// and not the whole run.
func (b *browser) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(b.ctx, 30*time.Second)
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.s.url + path))
}

// path is where the browser is now.
func (b *browser) path() string {
	var url string
	if err := chromedp.Run(b.ctx, chromedp.Location(&url)); err != nil {
		return err.Error()
	}
	return strings.TrimPrefix(url, b.s.url)
}

// text is what a visitor reads in an element, "" when there is none.
func (b *browser) text(selector string) string {
	var s string
	js := fmt.Sprintf("(document.querySelector(%q)||{}).innerText||''", selector)
	if err := chromedp.Run(b.ctx, chromedp.Evaluate(js, &s)); err != nil {
		return err.Error()
	}
	return s
}

func (b *browser) wantText(selector, want string) {
	b.t.Helper()
	if got := b.text(selector); !strings.Contains(got, want) {
		b.t.Fatalf("at %s, %s reads %q, want %q in it", b.path(), selector, got, want)
	}
}

func (b *browser) wantPath(want string) {
	b.t.Helper()
	if got := b.path(); got != want {
		b.t.Fatalf("the browser is at %s, want %s:\n%s", got, want, b.text("body"))
	}
}

// fields are what is typed into a form, by the id of the input.
type fields map[string]string

// submit types into the form with that action and sends it by its own button.
func (b *browser) submit(action string, typed fields) {
	b.t.Helper()
	form := fmt.Sprintf("form[action=%q]", action)
	for id, value := range typed {
		sel := form + " [name=" + id + "]:not([readonly])"
		b.do(chromedp.Focus(sel, chromedp.ByQuery),
			chromedp.KeyEvent("a", chromedp.KeyModifiers(input.ModifierCtrl)), chromedp.KeyEvent(kb.Delete), chromedp.KeyEvent(value))
	}
	b.press(form + " button:not([type=button])")
}

// press clicks and waits until another document has loaded.
func (b *browser) press(selector string) {
	b.t.Helper()
	ctx, cancel := b.within()
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(selector, chromedp.ByQuery)); err != nil {
		b.t.Fatalf("pressing %s at %s: %v\n%s", selector, b.path(), err, b.text("body"))
	}
}

// withoutScript turns JavaScript off for what is opened from now on.
func (b *browser) withoutScript() {
	b.t.Helper()
	b.do(emulation.SetScriptExecutionDisabled(true))
}

func (b *browser) scheme(name string) {
	b.t.Helper()
	b.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}))
}

func (b *browser) size(width, height int64) {
	b.t.Helper()
	b.do(emulation.SetDeviceMetricsOverride(width, height, 1, width < 600))
}

// accessible runs every rule of axe-core on the page as it stands, and checks
// that nothing makes it scroll sideways.
func (b *browser) accessible(what string) {
	b.t.Helper()
	var found string
	b.do(chromedp.Evaluate(axe+";0", nil), chromedp.Evaluate(
		`axe.run(document,{resultTypes:["violations"]}).then(r=>JSON.stringify(r.violations.map(v=>v.id+": "+v.nodes.map(n=>n.html+" "+n.failureSummary).join(" | "))))`,
		&found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	var list []string
	if err := json.Unmarshal([]byte(found), &list); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range list {
		b.t.Errorf("%s: %s", what, v)
	}
	var wide bool
	b.do(chromedp.Evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth", &wide))
	if wide {
		b.t.Errorf("%s scrolls sideways", what)
	}
	b.roomy(what)
}

// roomy checks that no button squeezes the words of a row into a few letters a
// line, and that no words touch the edge of their panel.
func (b *browser) roomy(what string) {
	b.t.Helper()
	var cramped []string
	b.do(chromedp.Evaluate(`[...document.querySelectorAll(".row > div, .panel p")].filter(e => {
		const at = e.getBoundingClientRect(), panel = e.closest(".panel"), words = document.createRange();
		if (!panel || !at.width) return false;
		words.selectNodeContents(e);
		return e.matches(".row > div") && at.width < 150
			|| e.matches("p") && words.getBoundingClientRect().left - panel.getBoundingClientRect().left < 12;
	}).map(e => e.innerText)`, &cramped))
	for _, words := range cramped {
		b.t.Errorf("%s has too little room for %q", what, words)
	}
}

// focused is the id or the text of what has the keyboard.
func (b *browser) focused() string {
	var s string
	b.do(chromedp.Evaluate("document.activeElement.id||document.activeElement.innerText||document.activeElement.tagName", &s))
	return s
}

// dropped reports whether the browser still holds a session cookie.
func (b *browser) cookie(name string) *network.Cookie {
	b.t.Helper()
	var found *network.Cookie
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		list, err := network.GetCookies().Do(cdp.WithExecutor(ctx, chromedp.FromContext(ctx).Target))
		for _, c := range list {
			if c.Name == name {
				found = c
			}
		}
		return err
	}))
	return found
}
