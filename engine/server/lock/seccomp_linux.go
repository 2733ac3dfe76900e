//go:build linux && (amd64 || arm64)

package lock

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forbidden are the calls that answer EPERM: whatever makes a socket or reaches somebody new by one that is there, makes system calls
// past the filter (io_uring), takes another process's sockets, or starts a program.
var forbidden = []uint32{
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_SENDMSG, unix.SYS_SENDMMSG,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_PIDFD_GETFD, unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
	unix.SYS_EXECVE, unix.SYS_EXECVEAT,
}

// Offsets in struct seccomp_data.
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16 // 8 bytes each, the lower half first
)

// filter is the program that the kernel runs before each system call.
func filter() []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		atMost = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K
		deny   = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	)
	arch := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	p := []unix.SockFilter{
		{Code: load, K: dataArch},
		{Code: equal, K: arch, Jt: 1},
		{Code: answer, K: deny}, // calls of another architecture have other numbers
		{Code: load, K: dataNumber},
	}
	if runtime.GOARCH == "amd64" { // those of x32, too
		const x32 = 0x40000000
		p = append(p, unix.SockFilter{Code: atMost, K: x32 - 1, Jf: 1}, unix.SockFilter{Code: answer, K: deny})
	}
	for _, n := range forbidden {
		p = append(p, unix.SockFilter{Code: equal, K: n, Jf: 1}, unix.SockFilter{Code: answer, K: deny})
	}
	const address = dataArgs + 4*8 // of sendto: whom to; 0 = the one that the socket is connected to
	return append(p,
		unix.SockFilter{Code: equal, K: unix.SYS_SENDTO, Jf: 5},
		unix.SockFilter{Code: load, K: address},
		unix.SockFilter{Code: equal, K: 0, Jf: 2},
		unix.SockFilter{Code: load, K: address + 4},
		unix.SockFilter{Code: equal, K: 0, Jt: 1},
		unix.SockFilter{Code: answer, K: deny},
		unix.SockFilter{Code: answer, K: unix.SECCOMP_RET_ALLOW})
}

// seccomp puts the filter in force on all threads.
func seccomp() (string, error) {
	p := filter()
	program := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(p)
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL:
		return "not available: the kernel has no seccomp filters", nil
	case errno != 0:
		return "", errno
	case thread != 0:
		return "", fmt.Errorf("thread %d has a filter of its own", thread)
	}
	return Denied, nil
}
