// Command centrifuge is a server with the library github.com/centrifugal/centrifuge: everybody may connect and subscribe to every channel, and
// POST /emit publishes to one. It has no history, and the library's defaults otherwise.
package main

import (
	"context"
	"encoding/json"
	"log"

	"github.com/centrifugal/centrifuge"

	"github.com/ws-emit/ws-emit/contrib/peers/servers/internal/post"
)

func main() {
	node, err := centrifuge.New(centrifuge.Config{LogLevel: centrifuge.LogLevelError, LogHandler: logged})
	if err != nil {
		log.Fatal(err)
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil // anonymous
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(_ centrifuge.SubscribeEvent, answer centrifuge.SubscribeCallback) {
			answer(centrifuge.SubscribeReply{}, nil)
		})
	})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
	clients := centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{})
	log.Fatal(post.Serve("/connection/websocket", clients, func(_, channel string, data json.RawMessage) error {
		_, err := node.Publish(channel, data)
		return err
	}))
}

func logged(entry centrifuge.LogEntry) { log.Print(entry.Message, " ", entry.Fields) }
