package kernels

import "encoding/binary"

// The probe of this machine's limits. Each function does a known amount of work on one thread for the caller to time,
// with the widest instructions there are; 0 operations = this machine (or build) has no kernel to probe with. A call
// with the sizes below lasts well under 100 µs, so that probes stay preemptible.

// PeakReadBytes is a fitting length for one call of PeakRead.
const PeakReadBytes = 256 << 10

// PeakIterations is a fitting count for one call of PeakInt8 or PeakF32.
const PeakIterations = 4096

// PeakRead reads b once, in order, and keeps nothing: its rate is the bandwidth of the memory that b lies in.
func PeakRead(b []byte) { peakRead(b) }

// PeakReadRuns reads b once, in 16 runs at a time: the prefetchers of some CPUs follow a run in each page, and one run alone
// does not reach what the memory gives.
func PeakReadRuns(b []byte) { peakReadRuns(b) }

// PeakInt8 runs independent chains of int8 dot products in registers and returns the operations done, a multiply and
// an add each counting as one.
func PeakInt8(iterations int) (ops int) { return peakInt8(iterations) }

// PeakF32 runs independent chains of float32 fused multiply-adds in registers and returns the operations done, two for
// each fused multiply-add.
func PeakF32(iterations int) (ops int) { return peakF32(iterations) }

// peakSink keeps the reads of peakReadGo alive.
//
//lint:ignore U1000 written, so that the compiler keeps the reads
var peakSink uint64

func peakReadGo(b []byte) {
	var s uint64
	for ; len(b) >= 8; b = b[8:] {
		s += binary.LittleEndian.Uint64(b)
	}
	peakSink = s
}
