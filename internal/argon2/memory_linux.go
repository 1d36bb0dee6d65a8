package argon2

import (
	"syscall"
	"unsafe"
)

// Map takes the memory that computations of a cost need from the system and
// not from Go's heap. The collector lets a heap grow to twice what is alive: 40
// MB of buffers there would let a server take 40 MB more of everything else.
// It is given back by Free.
func Map(p Params) *Memory {
	n := int(p.blocks())
	b, err := syscall.Mmap(-1, 0, n*int(unsafe.Sizeof(block{})), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return NewMemory(p)
	}
	return &Memory{blocks: unsafe.Slice((*block)(unsafe.Pointer(&b[0])), n), mapped: b}
}

// Free gives mapped memory back. It must not be used afterwards.
func (m *Memory) Free() {
	if m.mapped != nil {
		_ = syscall.Munmap(m.mapped)
	}
	m.blocks, m.mapped = nil, nil
}
