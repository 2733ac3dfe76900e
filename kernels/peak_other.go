//go:build !(amd64 || arm64) || purego

package kernels

func peakRead(b []byte)           { peakReadGo(b) }
func peakReadRuns(b []byte)       { peakReadGo(b) }
func peakInt8(iterations int) int { return 0 }
func peakF32(iterations int) int  { return 0 }
