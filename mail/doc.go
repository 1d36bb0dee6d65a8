// Package mail writes mails to people and sees to it that they leave.
//
// It owns the table mail_outbox, the words and templates of every mail and the
// connection to the SMTP server. Rooms hand it a [Message] inside the
// transaction of its cause; the mail is one row of that transaction, its body
// sealed because it holds links and codes. A worker sends it afterwards, off
// the request path, so that neither the time of an answer nor an unreachable
// server tells anything or stops anybody. A body is blanked once it has left.
//
// Without SMTP_URL on a loopback address nothing leaves: the rows are the
// development inbox, which handlers show.
package mail
