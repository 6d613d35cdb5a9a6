package redisbus_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
)

func ExamplePublisher() {
	options, err := redisbus.ParseURL("redis://localhost:6379/0")
	if err != nil {
		fmt.Println(err)
		return
	}
	pretend(options) // not in your program
	publisher, err := redisbus.NewPublisher(redisbus.PublisherConfig{Options: options})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer publisher.Close()

	msg, err := emitter.NewMessage("update", []string{"time"}, map[string]int{"time": 111111})
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := publisher.Emit(context.Background(), msg)
	switch {
	case err != nil:
		fmt.Println(err)
	case done.Subscribers == 0:
		fmt.Println("no server listens, the message is gone")
	default:
		fmt.Println(done.Subscribers, "servers have it")
	}
	// Output:
	// PUBLISH ws-emit {"namespace":"/","room":["time"],"event":"update","args":[{"time":111111}]}
	// 2 servers have it
}

// pretend stands in for a Redis with two subscribers: it prints what is published.
func pretend(options *redis.Options) {
	options.Dialer = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() { // ends when the client closes
			defer server.Close()
			commands := bufio.NewReader(server)
			for {
				args, err := readCommand(commands)
				if err != nil {
					return
				}
				answer := "-ERR unknown command\r\n"
				if strings.EqualFold(args[0], "publish") {
					fmt.Println("PUBLISH", args[1], args[2])
					answer = ":2\r\n"
				}
				if _, err := io.WriteString(server, answer); err != nil {
					return
				}
			}
		}()
		return client, nil
	}
}

// readCommand reads an array of strings (Redis serialization protocol, "Sending commands to a Redis server").
func readCommand(r *bufio.Reader) ([]string, error) {
	var n int
	if _, err := fmt.Fscanf(r, "*%d\r\n", &n); err != nil {
		return nil, err
	}
	args := make([]string, n)
	for i := range args {
		var size int
		if _, err := fmt.Fscanf(r, "$%d\r\n", &size); err != nil {
			return nil, err
		}
		text := make([]byte, size+len("\r\n"))
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		args[i] = string(text[:size])
	}
	return args, nil
}
