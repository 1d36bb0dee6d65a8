package static

import "bytes"

// Minify takes comments and needless spaces out of a stylesheet. It knows
// strings, comments and nothing else, so it keeps what a parser would need to
// judge: a space before ":" may be a descendant selector, and the spaces
// around "+" and "-" mean something inside calc().
func Minify(css []byte) []byte {
	m := minifier{in: css, out: make([]byte, 0, len(css))}
	for m.at < len(m.in) {
		m.step()
	}
	return bytes.TrimSpace(m.out)
}

// MinifyScript takes comments that have a line of their own and the spaces at
// the edges of lines out of a script. It does not know the language, and needs
// not to: a line break stays one. Our scripts have no text over several lines.
func MinifyScript(js []byte) []byte {
	var out []byte
	for line := range bytes.Lines(js) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && !bytes.HasPrefix(line, []byte("//")) {
			out = append(append(out, line...), '\n')
		}
	}
	return out
}

type minifier struct {
	in, out []byte
	at      int
	space   bool // a space is owed
}

func (m *minifier) step() {
	c := m.in[m.at]
	switch {
	case bytes.HasPrefix(m.in[m.at:], []byte("/*")):
		m.skipComment()
	case c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f':
		m.space = true
		m.at++
	case c == '"' || c == '\'':
		m.pay(c)
		m.copyString(c)
	case c == '\\' && m.at+1 < len(m.in):
		m.pay(c)
		m.out = append(m.out, c, m.in[m.at+1])
		m.at += 2
	default:
		m.pay(c)
		m.dropSemicolon(c)
		m.out = append(m.out, c)
		m.at++
	}
}

// skipComment leaves a space in its place: "a/**/b" is two words. A comment
// that never ends reaches to the end, as CSS Syntax Level 3, section 4.3.2 says.
func (m *minifier) skipComment() {
	end := bytes.Index(m.in[m.at+2:], []byte("*/"))
	if end < 0 {
		m.at = len(m.in)
		return
	}
	m.at += end + 4
	m.space = true
}

// pay writes the space that is owed, unless c or what stands before needs none.
func (m *minifier) pay(c byte) {
	if m.space && len(m.out) > 0 && !bytes.ContainsRune([]byte("{};,>"), rune(c)) {
		if last := m.out[len(m.out)-1]; !bytes.ContainsRune([]byte("{};,>:"), rune(last)) {
			m.out = append(m.out, ' ')
		}
	}
	m.space = false
}

// dropSemicolon takes the one before a closing brace away.
func (m *minifier) dropSemicolon(c byte) {
	if n := len(m.out); c == '}' && n > 0 && m.out[n-1] == ';' {
		m.out = m.out[:n-1]
	}
}

func (m *minifier) copyString(quote byte) {
	m.out = append(m.out, quote)
	for m.at++; m.at < len(m.in); m.at++ {
		c := m.in[m.at]
		m.out = append(m.out, c)
		if c == '\\' && m.at+1 < len(m.in) {
			m.at++
			m.out = append(m.out, m.in[m.at])
			continue
		}
		if c == quote {
			m.at++
			return
		}
	}
}
