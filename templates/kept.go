package templates

import "sync"

// kept are pages that look the same to every stranger: the sign-in page and
// the sign-up page before anything was typed. Drawing one costs twice as much
// as all the rest of its request, so the bytes are kept.
type kept struct {
	mu    sync.RWMutex
	pages map[keptKey][]byte
}

// keptKey is everything that such a page is made of.
type keptKey struct {
	page, lang, path, operator string
	number                     int
	flag, code                 bool
}

// maxKept bounds the map. What a request can choose is never part of a key, so
// a handful is all there is; the bound is for the day when that is forgotten.
const maxKept = 64

// keepable is a view that may be one of those.
type keepable interface {
	key() (key keptKey, ok bool)
}

func (k *kept) get(key keptKey) []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.pages[key]
}

func (k *kept) put(key keptKey, page []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.pages) < maxKept {
		k.pages[key] = page
	}
}

// untouched reports whether nothing of this visit is on the page.
func (l *Layout) untouched(f *Form) bool {
	return l.Query == "" && l.User == nil && len(l.Flash) == 0 && !f.Failed() && len(f.Typed) == 0
}

func (v LoginView) key() (keptKey, bool) {
	ok := (v.Path == "/" || v.Path == "/login") && v.ReturnTo == "" && v.Unknown == "" && v.Work == nil && v.untouched(&v.Form)
	return keptKey{path: v.Path, operator: v.Operator, flag: v.SignupClosed, code: v.EmailCode}, ok
}

func (v RegisterView) key() (keptKey, bool) {
	return keptKey{path: v.Path, operator: v.Operator, number: v.MinLength}, v.Path == "/register" && v.Work == nil && v.untouched(&v.Form)
}
