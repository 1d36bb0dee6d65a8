// Package jobs runs functions every so often: sealing, trimming, rotating.
//
// It owns the schedule and nothing else. A job that must run on one node only
// asks for a lease first. A job that panics is logged and runs again at its
// next turn, because one broken job must not end the others.
package jobs
