// Package lease lets one process of a cluster hold a named thing for a while:
// the migrations, a job, the mail worker.
//
// It owns the table leases. A lease is taken by one conditional UPDATE or one
// INSERT whose row count is the answer, never by GET_LOCK or FOR UPDATE, which
// do not hold across the nodes of a Galera cluster. A holder that dies loses
// the lease when its time is over. The package works on the *gorm.DB that it is
// given: a transaction of database.Write.
package lease
