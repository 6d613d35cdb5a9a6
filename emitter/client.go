package emitter

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	defaultMaxRetries = 3
	defaultMaxWait    = 10 * time.Second
	firstWait         = 100 * time.Millisecond
	clientTimeout     = 30 * time.Second
	maxAnswer         = 64 << 10
)

// NewMessage makes a message for the members of rooms, or for every socket if there are none. Each argument is encoded by encoding/json,
// without escapes for HTML; a json.RawMessage is taken as it is, and a []byte becomes an attachment, which browsers get as binary. (POST
// /emit has no place for attachments.) An argument that cannot be encoded is an [*InputError]; nothing else is checked.
func NewMessage(event string, rooms []string, args ...any) (Message, error) {
	m := Message{Rooms: rooms, Event: event}
	for i, arg := range args {
		if data, ok := arg.([]byte); ok {
			m.Args = append(m.Args, fmt.Appendf(nil, `{"_placeholder":true,"num":%d}`, len(m.Attachments)))
			m.Attachments = append(m.Attachments, data)
			continue
		}
		raw, err := marshal(arg)
		if err != nil {
			return Message{}, &InputError{Index: -1, Field: element("args", i), Reason: fmt.Sprintf("%T cannot be encoded", arg), Err: err}
		}
		m.Args = append(m.Args, raw)
	}
	return m, nil
}

// ClientConfig configures a [Client].
type ClientConfig struct {
	// URL is that of the endpoint, such as "http://localhost:8899/emit".
	URL string
	// Secret is sent in a header with every request.
	Secret string
	// HTTPClient sends the requests. nil means one of the client's own, which follows no redirect, as a redirect would make a GET of the
	// request, and gives up a request after 30 s.
	HTTPClient *http.Client
	// MaxRetries is how often a request is sent again after the server was behind. 0 means 3, a negative value never.
	MaxRetries int
	// MaxWait is the longest wait before one retry; where the server asks for more, there is none. 0 or less means 10 s.
	MaxWait time.Duration
}

// Client emits through POST /emit of a server. It may be used concurrently.
type Client struct {
	// Immutable after NewClient.
	cfg ClientConfig
}

// NewClient checks a configuration. It opens no connection.
func NewClient(cfg ClientConfig) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("emitter: the URL of a client must be an absolute http or https URL") // it may hold a password
	}
	if cfg.Secret == "" || cfg.Secret != strings.TrimSpace(cfg.Secret) || strings.ContainsFunc(cfg.Secret, isControl) {
		return nil, errors.New("emitter: the secret of a client must not be empty, have control characters, or begin or end with a space")
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = &http.Client{
			Timeout:       clientTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if cfg.MaxRetries == 0 {
		cfg.MaxRetries = defaultMaxRetries
	}
	setDefault(&cfg.MaxWait, defaultMaxWait)
	return &Client{cfg: cfg}, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Answer is what a server says about a batch.
type Answer struct {
	// Accepted is the number of messages that were accepted, the first ones of the batch: all of them when there was no error.
	Accepted int
	// Receivers counts the sockets that the batch matched, or is -1 where the server does not know.
	Receivers int
	// Ignored are keys that the server did not know.
	Ignored []string
}

// StatusError is any answer of a server but 200. It matches [ErrBusy] (429 and 503), [ErrForbidden], [ErrNotConfigured] and
// [ErrTooLarge].
type StatusError struct {
	// Status is that of HTTP.
	Status int
	// Message is the server's text, or the standard text of the status.
	Message string
	// Index is the place in the batch of the message that the server refused, or -1.
	Index int
	// Field is the key that it refused, or "".
	Field string
	// RetryAfter is how long the server asks to wait, or 0.
	RetryAfter time.Duration
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("emitter: the server answered %d: %s", e.Status, e.Message)
}

// Is makes the errors of a server match those of this package.
func (e *StatusError) Is(target error) bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return target == ErrBusy
	case http.StatusForbidden:
		return target == ErrForbidden
	case http.StatusNotFound:
		return target == ErrNotConfigured
	case http.StatusRequestEntityTooLarge:
		return target == ErrTooLarge
	default:
		return false
	}
}

// Emit sends a batch in one request and returns once the server has accepted it. It blocks until then, or until ctx ends. While the
// server is behind (429, 503) it sends what was not accepted again, after the time that the server asks for.
//
// Errors: [*InputError] for a message that no server would take (nothing was sent), [*StatusError] for an answer that is not 200, and
// what the HTTP client returns, after which it is not known whether the batch was accepted: such an error is never retried, as that
// could emit twice. With an error, Accepted of the answer says how many messages are known to have been accepted.
func (c *Client) Emit(ctx context.Context, batch ...Message) (Answer, error) {
	total := Answer{}
	if len(batch) == 0 {
		return total, nil
	}
	for i := range batch {
		m := batch[i]
		if err := m.Validate(Limits{MaxRooms: -1, MaxBytes: -1}); err != nil {
			if input, ok := errors.AsType[*InputError](err); ok {
				input.Index = i
			}
			return total, err
		}
	}
	for try := 0; ; try++ {
		rest := batch[total.Accepted:]
		answer, err := c.post(ctx, rest)
		total.Receivers, total.Ignored = answer.Receivers, answer.Ignored
		if total.Accepted > 0 {
			total.Receivers = -1 // of those accepted earlier nothing is known
		}
		refused, ok := errors.AsType[*StatusError](err)
		if ok && refused.Index >= 0 {
			refused.Index += total.Accepted
		}
		total.Accepted += min(max(answer.Accepted, 0), len(rest)) // whatever the server says
		if !ok || !errors.Is(refused, ErrBusy) {
			return total, err
		}
		if total.Accepted == len(batch) {
			return total, nil
		}
		if try >= c.cfg.MaxRetries || refused.RetryAfter > c.cfg.MaxWait {
			return total, err
		}
		if err := c.wait(ctx, try, refused); err != nil {
			return total, err
		}
	}
}

// wait waits before a retry: as long as the server asks for, at least twice as long each time, and a little more, so that many clients
// do not come back together.
func (c *Client) wait(ctx context.Context, try int, refused *StatusError) error {
	d := min(max(refused.RetryAfter, firstWait<<min(try, 20)), c.cfg.MaxWait)
	timer := time.NewTimer(d + rand.N(d/4+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w, while waiting after: %w", ctx.Err(), refused)
	}
}

// post sends one request. The answer has Accepted with an error, too.
func (c *Client) post(ctx context.Context, batch []Message) (Answer, error) {
	unknown := Answer{Receivers: -1}
	body, err := EncodeJSON(batch...)
	if err != nil {
		return unknown, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return unknown, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.cfg.Secret)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.cfg.HTTPClient.Do(req)
	if err != nil {
		return unknown, fmt.Errorf("emit: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return unknown, fmt.Errorf("read answer: %w", err)
	}
	var a struct {
		refusal
		Receivers *int     `json:"receivers"`
		Ignored   []string `json:"ignored"`
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	isJSON := mediaType == "application/json" && json.Unmarshal(text, &a) == nil
	if resp.StatusCode != http.StatusOK {
		return Answer{Receivers: -1, Accepted: deref(a.Accepted, 0)}, statusError(resp, a.refusal)
	}
	// 200 alone does not say that it was our server who answered: a proxy's page has it, too.
	if !(isJSON && a.OK) && string(text) != "OK\n" {
		return unknown, errors.New("emitter: the server answered 200, but not as POST /emit does")
	}
	return Answer{Accepted: len(batch), Receivers: deref(a.Receivers, -1), Ignored: a.Ignored}, nil
}

func statusError(resp *http.Response, r refusal) *StatusError {
	e := &StatusError{Status: resp.StatusCode, Message: r.Error, Index: deref(r.Index, -1), Field: r.Field}
	if e.Message == "" {
		e.Message = http.StatusText(resp.StatusCode)
	}
	after := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(after, 10, 31); err == nil {
		e.RetryAfter = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		e.RetryAfter = max(time.Until(at), 0)
	}
	return e
}

func deref(p *int, otherwise int) int {
	if p == nil {
		return otherwise
	}
	return *p
}
