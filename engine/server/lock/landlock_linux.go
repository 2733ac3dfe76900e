//go:build linux && (amd64 || arm64)

package lock

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rights of files by the versions of Landlock's interface.
const (
	rights1 = unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1 // all up to it
	rights2 = rights1 | unix.LANDLOCK_ACCESS_FS_REFER
	rights3 = rights2 | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	rights5 = rights3 | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

	reading = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	writing = reading | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	owning  = writing | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER
)

// landlock denies files outside of the folders and, where the kernel can, TCP connections once more.
func landlock(f Folders) (string, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno == unix.ENOSYS || errno == unix.EOPNOTSUPP {
		return "not available: the kernel has no Landlock", nil
	} else if errno != 0 {
		return "", errno
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: rights1}
	switch {
	case abi >= 5:
		attr.Handled_access_fs = rights5
	case abi >= 3:
		attr.Handled_access_fs = rights3
	case abi == 2:
		attr.Handled_access_fs = rights2
	}
	if abi >= 4 && f.Network == "" {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	rules, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0) // fields that are 0 need not be known
	if errno != 0 {
		return "", errno
	}
	defer unix.Close(int(rules)) //nolint:errcheck // it is in force, or not
	for _, part := range []struct {
		folders []string
		rights  uint64
	}{{f.Read, reading}, {f.Write, writing}, {f.Own, owning}} {
		for _, dir := range part.folders {
			if err := allow(int(rules), dir, part.rights&attr.Handled_access_fs); err != nil {
				return "", fmt.Errorf("folder %s: %w", dir, err)
			}
		}
	}
	const together = 8 // from this version on the kernel sees to all threads
	if abi >= together {
		if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, rules, unix.LANDLOCK_RESTRICT_SELF_TSYNC, 0); errno != 0 {
			return "", errno
		}
		return Denied, nil
	}
	switch err := everyThread(unix.SYS_LANDLOCK_RESTRICT_SELF, rules, 0, 0); {
	case errors.Is(err, unix.ENOTSUP):
		return "not available: the program was built with cgo; build it with CGO_ENABLED=0", nil
	case err != nil:
		return "", err
	}
	return Denied, nil
}

// allow lets files below a folder be opened.
func allow(rules int, dir string, rights uint64) error {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // it was a name
	beneath := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(rules), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&beneath)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
