package templates

import (
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"text/template/parse"

	"gatehouse/locales"
	"gatehouse/static"
)

// readTrees parses every file. A page is named after
// its file; layouts and partials name what they define.
func readTrees(tree fs.FS) (map[string]*parse.Tree, error) {
	names, err := fs.Glob(tree, "*/*.html")
	if err != nil {
		return nil, err
	}
	// The parser only has to know which names are functions.
	known := map[string]any{}
	for name := range functions(nil, "") {
		known[name] = true
	}
	for _, name := range builtins {
		known[name] = true
	}
	trees := map[string]*parse.Tree{}
	for _, name := range names {
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		found, err := parse.Parse(rootName(name), string(source), "", "", known)
		if err != nil {
			return nil, fmt.Errorf("templates: %s: %w", name, err)
		}
		for id, t := range found {
			if trees[id] != nil {
				return nil, fmt.Errorf("templates: %s defines %q a second time", name, id)
			}
			trees[id] = t
		}
	}
	return trees, nil
}

// rootName is what a file is called outside its definitions: a page has the
// name of the file; nothing calls what is around the partials.
func rootName(file string) string {
	if dir, base := path.Split(file); dir == "pages/" {
		return strings.TrimSuffix(base, ".html")
	}
	return file
}

// builtins are the functions of the template language that our pages use.
var builtins = []string{"and", "eq", "gt", "index", "len", "lt", "ne", "not", "or", "print"}

// build makes the templates of one language.
func build(trees map[string]*parse.Tree, lang string, words *locales.Bundle, assets *static.Assets) (*template.Template, error) {
	set := template.New("").Funcs(functions(words, lang))
	f := folder{lang: lang, words: words, assets: assets}
	for name, t := range trees {
		own := t.Copy()
		f.list(own.Root)
		if f.err != nil {
			return nil, fmt.Errorf("templates: %s: %w", name, f.err)
		}
		if _, err := set.AddParseTree(name, own); err != nil {
			return nil, fmt.Errorf("templates: %s: %w", name, err)
		}
	}
	return set, nil
}

// folder puts into a template what is the same for every request: the words
// of {{t "key"}}, the paths of {{asset "name"}}. What is left to do for each
// page is a third of it.
type folder struct {
	lang   string
	words  *locales.Bundle
	assets *static.Assets
	err    error
}

func (f *folder) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for i, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			n.Text = squeeze(n.Text)
		case *parse.ActionNode:
			if text, ok := f.constant(n.Pipe); ok {
				l.Nodes[i] = &parse.TextNode{NodeType: parse.NodeText, Pos: n.Pos, Text: []byte(text)}
			}
		case *parse.IfNode:
			f.branch(&n.BranchNode)
		case *parse.RangeNode:
			f.branch(&n.BranchNode)
		case *parse.WithNode:
			f.branch(&n.BranchNode)
		}
	}
}

func (f *folder) branch(n *parse.BranchNode) {
	f.list(n.List)
	f.list(n.ElseList)
}

// constant is the text of an action that is lang, or t or asset with one
// literal.
func (f *folder) constant(p *parse.PipeNode) (string, bool) {
	if len(p.Decl) > 0 || len(p.Cmds) != 1 {
		return "", false
	}
	args := p.Cmds[0].Args
	name, ok := args[0].(*parse.IdentifierNode)
	if ok && len(args) == 1 && name.Ident == "lang" {
		return f.lang, true
	}
	if !ok || len(args) != 2 {
		return "", false
	}
	arg, ok := args[1].(*parse.StringNode)
	switch {
	case ok && name.Ident == "t":
		return template.HTMLEscapeString(f.say(arg.Text)), true
	case ok && name.Ident == "asset":
		return f.assets.Asset(arg.Text), true
	}
	return "", false
}

func (f *folder) say(key string) string {
	s, ok := f.words.Plain(f.lang, key)
	if !ok && f.err == nil {
		f.err = fmt.Errorf("%s has no plain sentence %q", f.lang, key)
	}
	return s
}

// squeeze takes away the indentation of the source. Words are kept apart by
// the end of the line that stays.
func squeeze(text []byte) []byte {
	lines := strings.Split(string(text), "\n")
	for i := 1; i < len(lines); i++ {
		lines[i] = strings.TrimLeft(lines[i], " \t")
	}
	out := strings.Join(lines, "\n")
	for strings.Contains(out, "\n\n") {
		out = strings.ReplaceAll(out, "\n\n", "\n")
	}
	return []byte(out)
}
