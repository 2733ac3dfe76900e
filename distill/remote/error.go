package remote

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/models/egress"
)

// Error says why a question got no answer.
type Error struct {
	Host   string
	Status int    // of HTTP; 0 = there was no answer
	Code   string // the server's own, such as context_length_exceeded
	Msg    string
	Fix    string
	Tries  int // requests that were made

	retry bool          // trying again can help
	after time.Duration // how long the server asks to be left alone
}

func (e *Error) Error() string {
	text := e.Host + ": "
	if e.Status != 0 {
		text += strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, http.StatusText(e.Status)))
	}
	if e.Status != 0 && e.Msg != "" {
		text += ": "
	}
	text += e.Msg
	if e.Tries > 1 {
		text += fmt.Sprintf(" (after %d tries)", e.Tries)
	}
	if e.Fix != "" {
		text += "; " + e.Fix
	}
	return text
}

// TooLong tells that the question does not fit into the model's context.
func (e *Error) TooLong() bool {
	if e.Status != http.StatusBadRequest && e.Status != http.StatusRequestEntityTooLarge && e.Status != http.StatusUnprocessableEntity {
		return false
	}
	said := strings.ToLower(e.Code + " " + e.Msg)
	for _, words := range []string{"context_length_exceeded", "exceed_context_size", "context length", "context size", "too many tokens", "prompt is too long"} {
		if strings.Contains(said, words) {
			return true
		}
	}
	return e.Status == http.StatusRequestEntityTooLarge
}

// Filtered tells that the service does not answer this question, as a filter of contents has it.
func (e *Error) Filtered() bool {
	return e.Status == http.StatusBadRequest && (e.Code == "content_filter" || e.Code == "content_policy_violation")
}

// Bounds on what a server says.
const (
	maxReply     = 16 << 20 // bytes of an answer
	maxComplaint = 64 << 10 // of an error
	maxSaid      = 300      // characters of the server's words in a message
)

// refused makes an error of a status that is none of success.
func (c *Client) refused(resp *http.Response) *Error {
	e := &Error{Host: c.host, Status: resp.StatusCode, after: retryAfter(resp.Header.Get("Retry-After"), c.pace.now())}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxComplaint))
	e.Code, e.Msg = c.complaint(b)
	if e.Msg == "" && err != nil {
		e.Msg = "its reason was cut off"
	}
	switch s := resp.StatusCode; {
	case s == http.StatusRequestTimeout || s == http.StatusTooManyRequests || s >= 500:
		e.retry = true
		if e.Code == "insufficient_quota" { // a full purse, which no waiting fills
			e.retry, e.Fix = false, "look at the account's credit"
		}
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		e.Fix = "is the key the one of this host?"
		if c.key == "" {
			e.Fix = "name the environment variable that holds the key: teacher.key_env"
		}
	case s == http.StatusNotFound:
		e.Fix = fmt.Sprintf("is teacher.model one of the server's (GET %s/models), and teacher.openai the address before /chat/completions, as a rule with /v1 at its end?", c.endpoint)
	case s >= 300 && s < 400:
		e.Msg = fmt.Sprintf("sends us on to %.200s, where nothing is sent", strings.ToValidUTF8(c.hide(resp.Header.Get("Location")), "?"))
		e.Fix = "write the address in teacher.openai, if you mean it"
	case s == http.StatusProxyAuthRequired:
		e.Fix = "the proxy of HTTPS_PROXY wants a name and a password"
	}
	return e
}

// complaint finds code and message in the body of an error, whatever its form.
func (c *Client) complaint(b []byte) (code, msg string) {
	var said struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	var known struct {
		Message string `json:"message"`
		Code    any    `json:"code"`
		Type    string `json:"type"`
	}
	if json.Unmarshal(b, &said) == nil {
		switch {
		case json.Unmarshal(said.Error, &known) == nil:
			if code, _ = known.Code.(string); code == "" {
				code = known.Type
			}
			msg = known.Message
		case json.Unmarshal(said.Error, &msg) == nil:
		case said.Message != "":
			msg = said.Message
		default:
			msg = string(said.Detail)
		}
	}
	if msg == "" {
		msg = plain(b)
	}
	return c.hide(code), c.said(msg)
}

// said is a server's text on one line, without the key, cut.
func (c *Client) said(text string) string {
	text = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(c.hide(text), "?"))), " ")
	if r := []rune(text); len(r) > maxSaid {
		text = string(r[:maxSaid]) + " …"
	}
	return text
}

// leastSecret is how long a key is that is worth hiding; a server that wants none is given "none" or "x", which are words of answers too.
const leastSecret = 8

// hide takes the key out of what a server says: some repeat it.
func (c *Client) hide(text string) string {
	if len(c.key) < leastSecret {
		return text
	}
	return strings.ReplaceAll(text, c.key, "[key]")
}

// plain is the text of a body that is no JSON: of a page its title, for the rest of it says nothing.
func plain(b []byte) string {
	lower := bytes.ToLower(b)
	if from := bytes.Index(lower, []byte("<title>")); from >= 0 {
		if to := bytes.Index(lower[from:], []byte("</title>")); to > 0 {
			return "a web page, \"" + string(b[from+len("<title>"):from+to]) + "\""
		}
	}
	if bytes.Contains(lower, []byte("<html")) || bytes.Contains(lower, []byte("<!doctype")) {
		return "a web page"
	}
	return string(b)
}

// unreachable makes an error of a connection that failed.
func (c *Client) unreachable(err error, waited time.Duration, timedOut bool) *Error {
	var of *url.Error
	if errors.As(err, &of) { // without the address, which the host stands for
		err = of.Err
	}
	e := &Error{Host: c.host, Msg: c.said(err.Error()), retry: true}
	var (
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
		host    *egress.HostError
		op      *net.OpError
	)
	switch {
	case timedOut:
		e.Msg = fmt.Sprintf("no whole answer within %v", waited.Round(time.Millisecond))
		e.Fix = "raise teacher.limits.timeout if the model is slow"
	case errors.As(err, &host):
		e.Msg, e.retry = host.Error(), false
	case errors.As(err, &cert), errors.As(err, &unknown):
		e.retry, e.Msg, e.Fix = false, "its certificate is not trusted: "+e.Msg, "a certificate of your own organisation goes into SSL_CERT_FILE"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		e.retry, e.Fix = false, "does the server speak TLS on this port?"
	case errors.As(err, &dns) && dns.IsNotFound:
		e.retry, e.Msg, e.Fix = false, "no such host", "is teacher.openai spelled right, and is there a network?"
	case errors.As(err, &op) && op.Op == "dial":
		e.Msg = "cannot be reached: " + op.Err.Error()
		e.Fix = "is the server running at that address?"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		e.Msg = "the connection was cut in the midst of the answer"
	}
	return e
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(v string, now time.Time) time.Duration {
	if s, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil && s >= 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
