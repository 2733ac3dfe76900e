//go:build !purego

package kernels

// expLanes is the width of expTable: a vector of 512 bits.
const expLanes = 16

// blockMask[32-n:][:16] masks the first n of 16 lanes, blockMask[16-n:][:16] all but the first n.
var blockMask = [48]int32{
	16: -1, 17: -1, 18: -1, 19: -1, 20: -1, 21: -1, 22: -1, 23: -1,
	24: -1, 25: -1, 26: -1, 27: -1, 28: -1, 29: -1, 30: -1, 31: -1,
}
