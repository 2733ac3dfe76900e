package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// Listen opens a TCP address. One that other machines reach is refused unless requests are asked for a key.
func Listen(address string, keys bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: want HOST:PORT, such as 127.0.0.1:8080", address)
	}
	if !keys && !loopback(host) {
		return nil, &OpenError{address}
	}
	return net.Listen("tcp", address)
}

// OpenError says that a server would be open to everybody.
type OpenError struct{ Address string }

func (e *OpenError) Error() string {
	return fmt.Sprintf("%s can be reached from other machines, and no keys are asked for; give a file of keys, or listen on 127.0.0.1", e.Address)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Activated gives the socket that systemd opened for this process; nil where there is none.
func Activated(keys bool) (net.Listener, error) {
	pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID"))
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || pid != os.Getpid() {
		return nil, nil
	}
	if n != 1 {
		return nil, fmt.Errorf("systemd hands over %d sockets, want one", n)
	}
	const first = 3 // sd_listen_fds(3)
	f := os.NewFile(first, "LISTEN_FDS")
	defer f.Close() //nolint:errcheck // the listener has its own
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("the socket of systemd: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok && !keys && !a.IP.IsLoopback() {
		return nil, errors.Join(&OpenError{a.String()}, l.Close())
	}
	return l, nil
}

// Notifier tells systemd how the service is (sd_notify(3)). Without systemd it does nothing.
type Notifier struct{ c *net.UnixConn }

// NewNotifier opens the way to systemd, which is used until the end: a locked process opens none (package lock).
func NewNotifier() (*Notifier, error) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return &Notifier{}, nil
	}
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return &Notifier{c}, nil
}

// Tell says READY=1 or STOPPING=1.
func (n *Notifier) Tell(state string) error {
	if n.c == nil {
		return nil
	}
	_, err := n.c.Write([]byte(state))
	return err
}

// Certificate is a TLS certificate that can be read anew.
type Certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

// ReadCertificate reads PEM files.
func ReadCertificate(certFile, keyFile string) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile}
	return c, c.Reload()
}

// Reload reads the files anew; on an error the certificate stays what it was.
func (c *Certificate) Reload() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.current.Store(&pair)
	return nil
}

func (c *Certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil }}
}

// Limits of connections.
const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	maxHeader  = 64 << 10
)

// Serve answers on l until ctx is done; then it takes no more connections, waits for the answers on their way, at most for
// drain where that is not 0, and returns. cert nil = no TLS.
func (s *Server) Serve(ctx context.Context, l net.Listener, cert *Certificate, drain time.Duration) error {
	h := &http.Server{Handler: s, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(httpLog{s}, slog.LevelWarn)}
	if cert != nil {
		h.TLSConfig = cert.config()
		l = tls.NewListener(l, h.TLSConfig)
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.Drain()
	wait := context.Background()
	if drain > 0 {
		var cancel func()
		wait, cancel = context.WithTimeout(wait, drain)
		defer cancel()
	}
	if err := h.Shutdown(wait); err != nil {
		busy := s.inside.Load()
		h.Close() //nolint:errcheck // the first error is the one to tell
		return fmt.Errorf("after %v %d requests were still on their way, and were cut", drain, busy)
	}
	<-failed
	return nil
}

// httpLog hands what net/http has to say to the server's logger.
type httpLog struct{ s *Server }

func (d httpLog) Enabled(context.Context, slog.Level) bool { return d.s.cfg.log != nil }
func (d httpLog) Handle(ctx context.Context, r slog.Record) error {
	return d.s.cfg.log.Handler().Handle(ctx, r)
}
func (d httpLog) WithAttrs([]slog.Attr) slog.Handler { return d }
func (d httpLog) WithGroup(string) slog.Handler      { return d }
