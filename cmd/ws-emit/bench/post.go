package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	postTimeout = 30 * time.Second
	maxAnswer   = 64 << 10
	maxQuoted   = 200 // bytes of an answer in an error
	maxAfter    = 10 * time.Second
)

// poster emits by HTTP.
type poster struct {
	client *http.Client
	url    *url.URL
	header http.Header
	bodies []template // for each room, with a place for the data
	body   []byte
}

func (l *load) newPosters() ([]sender, func(), error) {
	cfg := &l.cfg
	target, err := url.Parse(cfg.EmitURL)
	if err != nil {
		return nil, nil, fmt.Errorf("the URL to emit to: %w", err)
	}
	header := cfg.EmitHeader.Clone()
	if header == nil {
		header = make(http.Header)
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	text := newTemplate(cfg.EmitBody, markEvent, markRoom, markData).bind(values{markEvent: inString(cfg.Event)})
	bodies := make([]template, cfg.Rooms)
	for i := range bodies {
		bodies[i] = text.bind(values{markRoom: inString(cfg.room(i))})
	}
	transport := newTransport(cfg)
	client := &http.Client{
		Transport: transport, Timeout: postTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var all []sender
	for range cfg.Emitters {
		all = append(all, &poster{client: client, url: target, header: header, bodies: bodies})
	}
	return all, transport.CloseIdleConnections, nil
}

// newTransport keeps a connection for each emitter.
func newTransport(cfg *Config) *http.Transport {
	connections := cfg.Emitters
	return &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections,
		TLSClientConfig: cfg.TLS, DisableCompression: true, ForceAttemptHTTP2: false, WriteBufferSize: 4 << 10, ReadBufferSize: 4 << 10,
	}
}

// send posts a message. Every answer of 2xx accepts it.
func (p *poster) send(ctx context.Context, room int, data []byte) error {
	p.body = p.bodies[room].append(p.body[:0], data)
	resp, err := p.client.Do((&http.Request{
		Method: http.MethodPost, URL: p.url, Host: p.url.Host, Header: p.header,
		Body: io.NopCloser(bytes.NewReader(p.body)), ContentLength: int64(len(p.body)),
	}).WithContext(ctx))
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch status := resp.StatusCode; {
	case status/100 == 2:
		return err
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		after := busyPause
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds >= 0 {
			after = min(max(time.Duration(seconds)*time.Second, busyPause), maxAfter)
		}
		return &busyError{after}
	case status/100 == 4 || status/100 == 3:
		quoted := strings.Join(strings.Fields(string(text[:min(len(text), maxQuoted)])), " ")
		return &refusedError{fmt.Sprintf("the server answered %d: %q", status, quoted)}
	default:
		return fmt.Errorf("the server answered %d", status)
	}
}
