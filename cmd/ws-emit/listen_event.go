package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/ws-emit/ws-emit/server/sioclient"
)

// writeEvent writes an event as one line of JSON.
func writeEvent(w *strings.Builder, e sioclient.Event) {
	w.WriteString(`{"event":`)
	w.WriteString(encodeJSON(e.Name))
	w.WriteString(`,"args":`)
	w.WriteString(printable(string(inlineBinary(compactJSON(e.JSON()), e.Attachments))))
	w.WriteString("}\n")
}

// placeholder matches the place of an attachment in compact JSON (Socket.IO protocol, "Packet encoding"). Inside a string the quotes would
// have a backslash before them.
var placeholder = regexp.MustCompile(`\{"_placeholder":true,"num":(\d+)\}|\{"num":(\d+),"_placeholder":true\}`)

// inlineBinary puts attachments where they belong, as {"$binary":BASE64}.
func inlineBinary(args []byte, attachments [][]byte) []byte {
	if len(attachments) == 0 {
		return args // what looks like a placeholder is plain data
	}
	return placeholder.ReplaceAllFunc(args, func(found []byte) []byte {
		m := placeholder.FindSubmatch(found)
		n, err := strconv.Atoi(string(m[1]) + string(m[2]))
		if err != nil || n >= len(attachments) {
			return found
		}
		return fmt.Appendf(nil, `{"$binary":%q}`, base64.StdEncoding.EncodeToString(attachments[n]))
	})
}

// compactJSON returns valid JSON on one line.
func compactJSON(valid []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, valid); err != nil {
		return []byte("null") // it was not valid
	}
	return b.Bytes()
}
