package mail

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// compose writes one letter. The table of purposes is this switch.
func (r *renderer) compose(m Message, w *words) (letter, error) {
	switch m.Purpose {
	case VerifyEmail, ResetPassword, ChangeEmail, EmailCode, Invitation:
		return r.proof(m, w)
	case AlreadyRegistered, NewDevice:
		return r.plain(m, w, m.Purpose), nil
	case Notice:
		return r.plain(m, w, "notice."+noticeKind(m.Data["kind"])), nil
	}
	return letter{}, fmt.Errorf("mail: no words for the purpose %q", m.Purpose)
}

func noticeKind(kind string) string {
	switch kind {
	case KindPasswordChanged, KindPasswordReset, KindRefreshReused, KindEmailChanged, KindEmailRestored,
		KindUsernameChanged, KindFactorAdded, KindFactorRemoved, KindFactorReset, KindRecoveryUsed, KindRecoveryMade, KindDeviceTrusted,
		KindPersonalMade, KindAccountClosing, KindAccountKept, KindAccountErased:
		return kind
	}
	return "changed"
}

// proof is a letter with a code, a link or both.
func (r *renderer) proof(m Message, w *words) (letter, error) {
	if m.Code == "" && m.Link == "" {
		return letter{}, fmt.Errorf("mail: %s needs a code or a link", m.Purpose)
	}
	l := letter{
		Title:  w.say(m.Purpose + ".title"),
		Code:   grouped(m.Code),
		Link:   m.Link,
		Notes:  notes(lifetime(m, w), w.say(m.Purpose+".closing")),
		Footer: w.say("footer"),
	}
	if m.Code == "" {
		l.Subject, l.Lead = w.say(m.Purpose+".subject"), w.say(m.Purpose+".lead_link")
	} else {
		l.Subject, l.Lead = w.say("subject_code"), w.say(m.Purpose+".lead_code")
	}
	if m.Link != "" {
		l.Action = w.say(m.Purpose + ".action")
	}
	if m.Link != "" && m.Code != "" {
		l.Or = w.say("or")
	}
	return l, nil
}

// plain is a letter that tells something, with a link to the way on. Where the
// words name a button of their own the link does something, and its life is
// told.
func (r *renderer) plain(m Message, w *words, key string) letter {
	w.data["Factor"] = w.say("factor." + factorName(m.Data["factor"]))
	w.data["EraseSpan"] = w.span(m.Data["erase_in"])
	l := letter{
		Subject: w.say(key + ".subject"),
		Title:   w.say(key + ".title"),
		Lead:    w.say(key + ".lead"),
		Action:  w.say("open"),
		Link:    m.Link,
		Facts:   facts(m, w),
		Notes:   notes(w.say(key + ".closing")),
		Footer:  w.say("footer"),
	}
	if l.Link == "" {
		l.Link = r.base
	} else if own, ok := w.find(key + ".action"); ok {
		l.Action, l.Notes = own, append(notes(lifetime(m, w)), l.Notes...)
	}
	return l
}

func factorName(name string) string {
	switch name {
	case "totp", "passkey", "recovery":
		return name
	}
	return "other"
}

// mostDevice bounds the words for a device, in characters.
const mostDevice = 60

// facts are what is known about who did it: the device in words and the network
// address. The address is shown as it is, because guessing a place from it is
// wrong too often to warn anybody well, and asks a third party about people.
func facts(m Message, w *words) []fact {
	var list []fact
	if device := deviceWords(m.Data["device"]); device != "" {
		list = append(list, fact{w.say("fact.device"), device})
	}
	if ip, err := netip.ParseAddr(m.Data["ip"]); err == nil {
		list = append(list, fact{w.say("fact.ip"), ip.Unmap().WithZone("").String()})
	}
	return list
}

// deviceWords keeps the words for a device from carrying a stranger's message:
// they come from a header that anybody can fill, so what could read as an
// address or as a sentence is left out.
func deviceWords(s string) string {
	s = oneLine(s)
	if len([]rune(s)) > mostDevice || strings.ContainsAny(s, "/\\:@<>") || dotted.MatchString(s) {
		return ""
	}
	return s
}

// dotted finds what a mail program would turn into a link.
var dotted = regexp.MustCompile(`\pL\.\pL`)

// lifetime says how long the code and the link work, as far as it is known.
func lifetime(m Message, w *words) string {
	code, link := "", ""
	if m.Code != "" {
		code = w.span(m.Data["code_ttl"])
	}
	if m.Link != "" {
		link = w.span(m.Data["link_ttl"])
	}
	w.data["CodeSpan"], w.data["LinkSpan"] = code, link
	switch {
	case code != "" && link != "":
		return w.say("life.both")
	case code != "":
		return w.say("life.code")
	case link != "":
		return w.say("life.link")
	}
	return ""
}
