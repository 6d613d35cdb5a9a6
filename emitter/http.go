package emitter

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTimeout     = 5 * time.Second
	defaultBodyTimeout = 30 * time.Second
	defaultMaxBody     = 8 << 20
	defaultMaxBuffered = 64 << 20
	answerTimeout      = 10 * time.Second
	// restTimeout is how long the rest of a body may take that was refused. It is less than answerTimeout, which runs meanwhile.
	restTimeout = 5 * time.Second
	// retryAfter is told to callers that may try again, in seconds.
	retryAfter = "1"
)

// HTTPConfig configures POST /emit. It is copied. Where a duration or size is 0 or less, its default holds.
type HTTPConfig struct {
	// Secret is what callers must give, as "Authorization: Bearer" or as "secret" in the body. Without one every request is answered
	// with 404.
	Secret string
	// Sink takes the batches. It is needed when there is a Secret.
	Sink Sink
	// Limits bound what one request may hold.
	Limits Limits
	// Namespaces are those that exist, "/" written out. A message for another one is refused: nobody would get it. None means that all
	// exist.
	Namespaces []string
	// Timeout is how long a request waits for Sink to accept it before it is answered with 503, and again how long it waits for the
	// number of receivers if it asked for that. Default 5 s.
	Timeout time.Duration
	// BodyTimeout is how long a body may take to arrive. Default 30 s.
	BodyTimeout time.Duration
	// MaxBody bounds one body, in bytes. Default 8 MiB.
	MaxBody int64
	// MaxBuffered bounds all bodies that are held at the same time, in bytes; over it requests are answered with 503. Those that have
	// given the secret in a header have as much again for themselves, so strangers cannot crowd them out. Default 64 MiB.
	MaxBuffered int64
	// OnResult is called once for each request, concurrently, and must not block. nil means nobody counts.
	OnResult func(Result)
	// Logger gets errors of Sink that are not of the kinds that Sink documents. nil means no log.
	Logger *slog.Logger
}

// NewHandler returns the handler of POST /emit. The body is one object, a list, or with Content-Type application/x-ndjson or
// application/jsonl one object a line, as [ParseJSON] describes. A body is validated whole before anything is emitted. It may be called
// concurrently; a call blocks until the batch is accepted or HTTPConfig.Timeout has passed.
//
// The secret must be in the header or in at least one object, and be right wherever it is. Until it has been given, a caller is told
// nothing but whether the body is JSON.
//
// An answer is text, or an object if Accept names application/json:
//
//	{"ok":true,"receivers":3,"ignored":["colour"]}                                  receivers: null when not known; ignored: when any
//	{"ok":false,"error":"message 2: room: is empty","index":2,"field":"room"}       where it is known
//	{"ok":false,"error":"The server is behind, try again later","accepted":0}       when the sink did not take all
func NewHandler(cfg HTTPConfig) http.Handler {
	h := &handler{cfg: cfg, secret: newSecret(cfg.Secret)}
	h.cfg.Limits = cfg.Limits.withDefaults()
	setDefault(&h.cfg.Timeout, defaultTimeout)
	setDefault(&h.cfg.BodyTimeout, defaultBodyTimeout)
	setDefault(&h.cfg.MaxBody, defaultMaxBody)
	setDefault(&h.cfg.MaxBuffered, defaultMaxBuffered)
	h.known.limit, h.strangers.limit = h.cfg.MaxBuffered, h.cfg.MaxBuffered
	if len(cfg.Namespaces) > 0 {
		h.namespaces = make(map[string]bool, len(cfg.Namespaces))
		for _, ns := range cfg.Namespaces {
			h.namespaces[ns] = true
		}
	}
	if cfg.Logger == nil {
		h.cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return h
}

func setDefault[T ~int64](v *T, value T) {
	if *v <= 0 {
		*v = value
	}
}

type handler struct {
	// Immutable after NewHandler.
	cfg        HTTPConfig
	secret     secret
	namespaces map[string]bool // nil when all exist

	known, strangers budget // of callers with and without the secret in a header
}

// accepted is what is told about a batch that was.
type accepted struct {
	receivers *int // nil when not known or not asked for
	ignored   []string
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc := http.NewResponseController(w)
	// net/http lifts it once the body has come. Where it cannot be set, as in a recorder, nothing is slow.
	deadline := time.Now().Add(h.cfg.BodyTimeout)
	_ = rc.SetReadDeadline(deadline)
	done, err := h.emit(w, r)
	if rest := time.Now().Add(restTimeout); err != nil && rest.Before(deadline) {
		// What is left of a body that was refused unread net/http reads away before it answers.
		_ = rc.SetReadDeadline(rest)
	}
	result, status, text := resultOf(err)
	if result == ResultInternal {
		h.cfg.Logger.Error("emit failed", "err", err)
	}
	if h.cfg.OnResult != nil {
		h.cfg.OnResult(result)
	}
	setHeaders(w.Header(), result)
	contentType, body := textPlain, okBody
	if wantsJSON(r.Header) {
		contentType, body = applicationJSON, jsonAnswer(done, err, text)
	} else if s, ok := errors.AsType[*sinkError](err); ok {
		body = []byte(s.withAccepted(text) + "\n")
	} else if err != nil {
		body = []byte(text + "\n")
	}
	w.Header()["Content-Type"] = contentType
	writeAnswer(w, rc, status, body)
}

// emit does what a request asks for.
func (h *handler) emit(w http.ResponseWriter, r *http.Request) (accepted, error) {
	if h.cfg.Secret == "" {
		return accepted{}, ErrNotConfigured
	}
	if r.Method != http.MethodPost {
		return accepted{}, errMethod
	}
	token, inHeader := bearer(r.Header)
	if inHeader && !h.secret.matches(token) {
		return accepted{}, ErrForbidden
	}
	scan, err := scannerFor(r.Header)
	if err != nil {
		return accepted{}, err
	}
	l := lease{budget: &h.strangers}
	if inHeader {
		l.budget = &h.known
	}
	defer l.release()
	body, err := readBody(w, r, h.cfg.MaxBody, &l)
	if err != nil {
		return accepted{}, err
	}
	doc, err := scan(body, h.cfg.Limits.MaxBatch)
	if err != nil {
		return accepted{}, err
	}
	if !doc.carries(h.secret, inHeader) {
		return accepted{}, ErrForbidden
	}
	batch, info, err := doc.messages(h.cfg.Limits)
	if err != nil {
		return accepted{}, err
	}
	if err := h.checkNamespaces(batch, doc.batch); err != nil {
		return accepted{}, err
	}
	receivers, err := h.send(r, batch)
	return accepted{receivers: receivers, ignored: info.Ignored}, err
}

func (h *handler) checkNamespaces(batch []Message, isBatch bool) error {
	if h.namespaces == nil {
		return nil
	}
	for i := range batch {
		if h.namespaces[batch[i].Namespace] {
			continue
		}
		err := inputError("namespace", "does not exist on this server")
		if isBatch {
			err.Index = i
		}
		return err
	}
	return nil
}

// send hands a batch to the sink and, if the caller will be told, asks for the number of receivers.
func (h *handler) send(r *http.Request, batch []Message) (receivers *int, err error) {
	total := len(batch)
	patience := withPatience(r.Context(), h.cfg.Timeout)
	defer patience.end()
	receipt, err := h.cfg.Sink.Emit(patience, batch)
	if err != nil {
		return nil, &sinkError{err: err, accepted: receipt.Accepted, total: total}
	}
	if receipt.Receivers == nil || !wantsJSON(r.Header) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.cfg.Timeout)
	defer cancel()
	n, err := receipt.Receivers(ctx)
	if err != nil {
		return nil, nil // accepted it is, only the number is not known
	}
	return &n, nil
}

// scannerFor chooses how to read a body by its Content-Type, as Flask does: any application/...+json is JSON.
func scannerFor(h http.Header) (func(body []byte, maxBatch int) (document, error), error) {
	contentType := h.Get("Content-Type")
	if contentType == "application/json" { // as nearly always
		return scanJSON, nil
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	switch {
	case err != nil:
		return nil, errMediaType
	case mediaType == "application/x-ndjson" || mediaType == "application/jsonl":
		return scanNDJSON, nil
	case mediaType == "application/json",
		strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json"):
		return scanJSON, nil
	default:
		return nil, errMediaType
	}
}

// wantsJSON reports whether a caller names application/json among the types that it accepts (RFC 9110, section 12.5.1). A wildcard,
// which curl sends, does not count.
func wantsJSON(h http.Header) bool {
	for _, accept := range h.Values("Accept") {
		for part := range strings.SplitSeq(accept, ",") {
			mediaType, params, err := mime.ParseMediaType(part)
			if err != nil || mediaType != "application/json" {
				continue
			}
			if q, err := strconv.ParseFloat(params["q"], 64); err != nil || q > 0 {
				return true
			}
		}
	}
	return false
}

func jsonAnswer(done accepted, err error, text string) []byte {
	type success struct {
		OK        bool     `json:"ok"`
		Receivers *int     `json:"receivers"`
		Ignored   []string `json:"ignored,omitempty"`
	}
	if err == nil {
		return mustMarshal(success{OK: true, Receivers: done.receivers, Ignored: done.ignored})
	}
	refusal := refusal{Error: text}
	if input, ok := errors.AsType[*InputError](err); ok {
		refusal.Field = input.Field
		if input.Index >= 0 {
			refusal.Index = &input.Index
		}
	}
	if s, ok := errors.AsType[*sinkError](err); ok {
		refusal.Accepted = &s.accepted
	}
	return mustMarshal(refusal)
}

// refusal is the JSON form of every answer but 200.
type refusal struct {
	OK       bool   `json:"ok"`
	Error    string `json:"error"`
	Index    *int   `json:"index,omitempty"`
	Field    string `json:"field,omitempty"`
	Accepted *int   `json:"accepted,omitempty"`
}

func mustMarshal(answer any) []byte {
	raw, _ := marshal(answer) // there is nothing in our answers that could fail
	return append(raw, '\n')
}

// What stands in nearly every answer. Nothing may change it: all answers share it, which saves each an allocation a header.
var (
	okBody          = []byte("OK\n") // what the Python server answers
	textPlain       = []string{"text/plain; charset=utf-8"}
	applicationJSON = []string{"application/json"}
	noSniff         = []string{"nosniff"}
)

func setHeaders(h http.Header, result Result) {
	h["X-Content-Type-Options"] = noSniff
	switch result {
	case ResultMethod:
		h.Set("Allow", http.MethodPost)
	case ResultBusy:
		h.Set("Retry-After", retryAfter)
	case ResultClosed:
		h.Set("Retry-After", retryAfter)
		h.Set("Connection", "close") // the next try should find another server
	}
}

// writeAnswer writes with a deadline, which net/http lifts after it has sent the answer.
func writeAnswer(w http.ResponseWriter, rc *http.ResponseController, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_ = rc.SetWriteDeadline(time.Now().Add(answerTimeout))
	w.WriteHeader(status)
	// An answer that cannot be written is lost with its connection: what was decided has been counted.
	_, _ = w.Write(body)
}
