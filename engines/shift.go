package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// The shift lies in memory that is shared with the file: Now is also called where no system call may be made.
var clockShift = mapped()

func mapped() *int64 {
	path, told := syscall.Getenv("THERIAC_CLOCK")
	if !told {
		return nil
	}
	handle, fault := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if fault != nil {
		panic("THERIAC_CLOCK names a file that cannot be read")
	}
	shared, fault := syscall.Mmap(handle, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if fault != nil {
		panic("THERIAC_CLOCK names a file that cannot be mapped")
	}
	return (*int64)(unsafe.Pointer(&shared[0]))
}

// shift is by how many seconds this process's clock is wrong: the 64-bit integer in the file that THERIAC_CLOCK names,
// and zero where that is not set. Timers and durations go by the monotonic clock, which stays as it is.
func shift() int64 {
	if clockShift == nil {
		return 0
	}
	return atomic.LoadInt64(clockShift)
}
