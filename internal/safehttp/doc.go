// Package safehttp is the only client with which the server calls addresses
// that somebody wrote down for it (security rule 23).
//
// Such an address may lead anywhere, into the network behind the server as
// well (server-side request forgery; ASVS 5.0, 13.2.4 and 15.3.2). So it is
// https, or http to this machine where that was allowed; the address is judged
// when the connection is made, after every lookup of its name, so that a name
// which answers differently the second time gains nothing; redirects are not
// followed, proxies of the environment not used, and an answer has 5 seconds
// and 1 MB.
package safehttp
