//go:build !purego

package kernels

// expLanes is the width of expTable: a vector of 128 bits.
const expLanes = 4
