// Package e2e tests Gatehouse from outside: the built binary, a real browser
// and the command line, on SQLite and, when GATEHOUSE_TEST_MYSQL names a
// server, on MariaDB. It knows nothing of the code inside.
package e2e
