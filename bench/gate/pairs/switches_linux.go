package pairs

import "syscall"

// switches is how often this thread has lost its processor against its will.
func switches() (int64, bool) {
	const thread = 1 // RUSAGE_THREAD
	var r syscall.Rusage
	if err := syscall.Getrusage(thread, &r); err != nil {
		return 0, false
	}
	return int64(r.Nivcsw), true
}
