// Package templates owns the pages: layouts, partials, one file for each page,
// and a view struct for each page in views_*.go. Handlers fill a view and call
// [Renderer.Render]; nothing of the database can reach a page, because a view
// holds words, numbers and times only.
//
// Pages are read once at start, for each language: words of the locales and
// names of assets are put into them there, so that drawing a page only fills
// in what belongs to the request. A missing key or file stops the start.
package templates
