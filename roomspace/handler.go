package roomspace

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"
)

const maxBody = 4096 // bytes of a PUT

var (
	errMediaType = errors.New("Content-Type is neither application/json nor text/plain, in UTF-8")
	errJSON      = fmt.Errorf(`%w: the body is not {"secret": "..."} in UTF-8`, ErrInvalid)
)

// SecretsHandler lets backends set and delete the secret of a space, for those that do not write to Redis themselves. It serves
//
//	PUT    /roomspaces/{space}   body: {"secret": "..."} as application/json, or the secret as text/plain (less one line break at its end)
//	DELETE /roomspaces/{space}
//
// with the header "Authorization: Bearer <emitSecret>". There is no way to read a secret. {space} is percent-encoded.
//
// Answers: 204; 400 with the reason; 403 "Incorrect secret" for a wrong or missing emit secret; 404 for everything when emitSecret is
// empty; 405; 409 when the secret of the space is fixed; 413 for a body of more than 4 KiB; 415; 503 with Retry-After when the store fails,
// which is logged (logger may be nil): the change may or may not have been made, and can be repeated.
func SecretsHandler(store SecretStore, emitSecret string, logger *slog.Logger) http.Handler {
	h := &secretsHandler{store: store, emitSecret: sha256.Sum256([]byte(emitSecret)), log: orDiscard(logger)}
	mux := http.NewServeMux()
	if emitSecret != "" {
		mux.Handle("/roomspaces/{space}", h)
	}
	return mux
}

type secretsHandler struct {
	store      SecretStore
	emitSecret [sha256.Size]byte
	log        *slog.Logger
}

func (h *secretsHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut && r.Method != http.MethodDelete {
		w.Header().Set("Allow", "DELETE, PUT")
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if !h.authorized(r) {
		http.Error(w, "Incorrect secret", http.StatusForbidden)
		return
	}
	if err := h.change(w, r); err != nil {
		h.refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *secretsHandler) authorized(r *http.Request) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	hash := sha256.Sum256([]byte(strings.TrimSpace(given)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(hash[:], h.emitSecret[:]) == 1
}

// change does what an authorized request asks for.
func (h *secretsHandler) change(w http.ResponseWriter, r *http.Request) error {
	space := r.PathValue("space")
	if err := ValidSpace(space); err != nil {
		return err
	}
	if r.Method == http.MethodDelete {
		return h.store.Delete(r.Context(), space)
	}
	secret, err := readSecret(w, r)
	if err != nil {
		return err
	}
	return h.store.Set(r.Context(), space, secret)
}

func readSecret(w http.ResponseWriter, r *http.Request) (string, error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return "", errMediaType
	}
	if media != "application/json" && media != "text/plain" {
		return "", errMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return "", fmt.Errorf("%w: read body: %w", ErrInvalid, err)
	}
	if media == "text/plain" {
		return strings.TrimSuffix(strings.TrimSuffix(string(body), "\n"), "\r"), nil
	}
	// A map, because a struct would also take "Secret". encoding/json lets invalid UTF-8 pass, as other characters.
	var object map[string]json.RawMessage
	var secret string
	if !utf8.Valid(body) || json.Unmarshal(body, &object) != nil || json.Unmarshal(object["secret"], &secret) != nil {
		return "", errJSON
	}
	return secret, nil
}

// refuse answers err. Only texts of this package are sent: they hold neither secrets nor what Redis said.
func (h *secretsHandler) refuse(w http.ResponseWriter, err error) {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, fmt.Sprintf("The body is larger than %d bytes", maxBody), http.StatusRequestEntityTooLarge)
	case errors.Is(err, errMediaType):
		http.Error(w, err.Error(), http.StatusUnsupportedMediaType)
	case errors.Is(err, ErrInvalid):
		http.Error(w, withoutPackage(err), http.StatusBadRequest)
	case errors.Is(err, ErrFixed):
		http.Error(w, withoutPackage(err), http.StatusConflict)
	default:
		h.log.Warn("a room-space secret was not changed", "err", err)
		w.Header().Set("Retry-After", "1")
		http.Error(w, "The secret could not be changed now", http.StatusServiceUnavailable)
	}
}

// withoutPackage is the text of an error for somebody who calls by HTTP.
func withoutPackage(err error) string { return strings.TrimPrefix(err.Error(), "roomspace: ") }
