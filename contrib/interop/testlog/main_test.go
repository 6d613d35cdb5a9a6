package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	for _, tt := range []struct {
		name, in, out string
		failed        bool
	}{
		{
			name: "pass",
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"pass","Package":"p","Elapsed":1.25}
{"Action":"skip","Package":"q","Elapsed":0}
`,
			out: "ok    p 1.2 s\n-     q (no tests)\n",
		},
		{
			name: "skip",
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:2: looking for it\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: no Redis,\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"        nowhere\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA","Elapsed":0}
`,
			out: "SKIP  p TestA\n    a_test.go:3: no Redis,\n        nowhere\n",
		},
		{
			name: "fail",
			in: `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0.5}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"fail","Package":"p","Elapsed":0.6}
`,
			out:    "FAIL  p TestA 0.5 s\n    a_test.go:3: got 1, want 2\nFAIL  p 0.6 s\nFAIL\n",
			failed: true,
		},
		{
			name: "does not build",
			in: `{"ImportPath":"p","Action":"build-output","Output":"p/a.go:1: syntax error\n"}
{"ImportPath":"p","Action":"build-fail"}
`,
			out:    "p/a.go:1: syntax error\nFAIL  p does not build\n",
			failed: true,
		},
		{name: "the go command", in: "no packages to test\n", out: "no packages to test\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			failed, err := report(strings.NewReader(tt.in), &out)
			if err != nil || failed != tt.failed || out.String() != tt.out {
				t.Errorf("failed %v, %v, printed %q; want failed %v, printed %q", failed, err, out.String(), tt.failed, tt.out)
			}
		})
	}
}
