package bench

import (
	htmltemplate "html/template"
	"io"
	"strings"
)

var page = htmltemplate.Must(htmltemplate.New("report").Parse(`<!doctype html>
<meta charset="utf-8">
<title>ws-emit bench</title>
<pre>{{.}}</pre>
`))

// WriteHTML writes the report as a page.
func (r *Report) WriteHTML(w io.Writer) error {
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		return err
	}
	return page.Execute(w, text.String())
}
