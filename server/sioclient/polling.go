package sioclient

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// poller makes the requests of long-polling (Engine.IO protocol, "HTTP long-polling").
type poller struct {
	client     *http.Client
	own        bool // made for this client alone
	header     http.Header
	url        string
	maxMessage int64
}

func newPoller(cfg *Config) *poller {
	p := &poller{client: cfg.HTTPClient, header: cfg.Header, maxMessage: cfg.MaxMessage}
	if p.client == nil {
		p.client = &http.Client{Transport: &http.Transport{DialContext: cfg.NetDial, TLSClientConfig: cfg.TLS, DisableCompression: true}}
		p.own = true
	}
	return p
}

// get waits for packets and returns at least one.
func (p *poller) get(ctx context.Context) ([]Message, error) {
	body, err := p.do(ctx, http.MethodGet, nil)
	if err != nil {
		return nil, fmt.Errorf("poll: %w", err)
	}
	return decodePayload(body)
}

func (p *poller) post(ctx context.Context, messages []Message) error {
	body, err := p.do(ctx, http.MethodPost, encodePayload(messages))
	if err == nil && string(body) != "ok" {
		err = fmt.Errorf("%w: the answer is not ok", ErrProtocol)
	}
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	return nil
}

func (p *poller) do(ctx context.Context, method string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range p.header {
		req.Header[name] = values
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &StatusError{Status: resp.StatusCode, Body: readErrorBody(resp.Body)}
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, p.maxMessage+1))
	if err == nil && int64(len(answer)) > p.maxMessage {
		err = ErrTooLarge
	}
	return answer, err
}

// free lets go of the connections, when no request is under way.
func (p *poller) free() {
	if p.own {
		p.client.CloseIdleConnections()
	}
}

// readErrorBody reads what goes into a StatusError.
func readErrorBody(body io.Reader) string {
	var b strings.Builder
	// As much of the reason as there is.
	_, _ = io.Copy(&b, io.LimitReader(body, 1024))
	return b.String()
}
