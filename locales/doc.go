// Package locales owns the words of the product: one file of go-i18n for each
// language, and look-up by key. It hands sentences to templates, middleware
// and cli, and the files to mail, which writes its letters from them.
//
// A key says where its words stand: "login.title" is the title of the page
// login, "error.<reason>" the sentence of an application error,
// "field.<reason>" of a wrong field. English is the reference: the other files
// have the same keys, which a test checks.
package locales
