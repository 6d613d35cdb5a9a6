package emitter

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// secret compares in a time that tells nothing about it, its length included.
type secret [sha256.Size]byte

func newSecret(s string) secret { return sha256.Sum256([]byte(s)) }

func (s secret) matches(given string) bool {
	hash := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(s[:], hash[:]) == 1
}

// bearer returns the token of a header "Authorization: Bearer" (RFC 6750, section 2.1). Another scheme is none of ours: it may be meant
// for a proxy.
func bearer(h http.Header) (token string, given bool) {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// carries reports whether a body, or the header that came with it, may emit: each secret in it is right, and there is one. A secret that
// is not a string is wrong, null is none.
func (d *document) carries(s secret, inHeader bool) bool {
	found := inHeader
	for i := range d.objects {
		v := d.objects[i].fields[fieldSecret]
		if v.IsNull() {
			continue
		}
		if given, ok := v.Text(); !ok || !s.matches(given) {
			return false
		}
		found = true
	}
	return found
}
