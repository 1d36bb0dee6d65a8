//go:build !linux

package server

import "net"

// whenTheySpeak does nothing where the system has no such option.
func whenTheySpeak(net.Listener) {}
