module github.com/ws-emit/ws-emit/examples

go 1.26.0

require (
	github.com/fsnotify/fsnotify v1.9.0
	github.com/redis/go-redis/v9 v9.23.0
	github.com/ws-emit/ws-emit v0.0.0
	go.uber.org/goleak v1.3.0
	golang.org/x/sync v0.24.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/philhofer/fwd v1.2.0 // indirect
	github.com/tinylib/msgp v1.6.5 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
)

replace github.com/ws-emit/ws-emit => ../
