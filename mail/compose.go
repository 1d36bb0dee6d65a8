package mail

import "fmt"

// compose writes one letter. The table of purposes is this switch.
func (r *renderer) compose(m Message, w *words) (letter, error) {
	switch m.Purpose {
	case VerifyEmail, ResetPassword:
		return r.proof(m, w)
	case AlreadyRegistered:
		return r.plain(m, w, m.Purpose), nil
	case Notice:
		return r.plain(m, w, "notice."+noticeKind(m.Data["kind"])), nil
	}
	return letter{}, fmt.Errorf("mail: no words for the purpose %q", m.Purpose)
}

func noticeKind(kind string) string {
	switch kind {
	case KindPasswordChanged, KindPasswordReset, KindRefreshReused:
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

// plain is a letter that tells something, with a link to the way on.
func (r *renderer) plain(m Message, w *words, key string) letter {
	link := m.Link
	if link == "" {
		link = r.base
	}
	return letter{
		Subject: w.say(key + ".subject"),
		Title:   w.say(key + ".title"),
		Lead:    w.say(key + ".lead"),
		Action:  w.say("open"),
		Link:    link,
		Notes:   notes(w.say(key + ".closing")),
		Footer:  w.say("footer"),
	}
}

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
