package server

import (
	"net"
	"testing"
)

func TestWhoSaysNothingIsNotAcceptedBeforeWhoSpeaks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	whenTheySpeak(l)
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	burst(t, l, 1)
	for i, want := range []bool{false, true} { // the silent one comes later, and comes
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.RemoteAddr().String() == silent.LocalAddr().String(); got != want {
			t.Errorf("connection %d says nothing: %v, want %v", i+1, got, want)
		}
	}
}
