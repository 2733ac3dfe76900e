//go:build !purego

package kernels

func neonInt(l *Level)    {}
func dotprodInt(l *Level) {}
func i8mmInt(l *Level)    {}
