// Package testkit holds what the tests of all rooms share: migrated databases,
// a clock that is moved by hand, a box to seal with, a log that goes to the
// test. Only tests import it.
package testkit
