//go:build !purego

package kernels

// neonInt fills l with this level's kernels of the int group.
func neonInt(l *Level) {
	l.Quantize = quantizeByNEON
	codesNEON(l)
}
func dotprodInt(l *Level) {}
func i8mmInt(l *Level)    {}
