package testkit

import "syscall"

// HasRoom reports whether a folder can be written to and has that many bytes free.
func HasRoom(folder string, bytes uint64) bool {
	var s syscall.Statfs_t
	const writable = 2
	if syscall.Statfs(folder, &s) != nil || syscall.Access(folder, writable) != nil {
		return false
	}
	return s.Bavail*uint64(s.Bsize) > bytes
}
