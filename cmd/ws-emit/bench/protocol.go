package bench

// Protocol is what clients and a server say to each other over WebSocket. Its methods are called by many goroutines at the same time.
type Protocol interface {
	// Endpoint is the path and the query of the WebSocket: "/connection/websocket".
	Endpoint() string
	// Join connects a client, which counts from 0, and joins it to rooms. It blocks until all that is acknowledged. An error means that the
	// client could not join; it must hold no secrets.
	Join(c Conn, client int, rooms []string) error
	// Receive takes each text that the server sends: after Join, and before that as Conn.Read returns it. It says what to answer (nothing
	// but where the server wants to know whether the client is still there) and whether messages of the bench may be in the text, of which
	// all are looked for. An error ends the client, as the server wants it to go. Receive must not keep the text, and should not allocate.
	Receive(text []byte) (answer []byte, messages bool, err error)
}

// Conn is the WebSocket of a client that joins. It is bound by [Config.Timeout].
type Conn interface {
	// Read returns the next text, once what Receive answers to it has been sent. Who called it owns the text.
	Read() ([]byte, error)
	// Write sends a text.
	Write(text []byte) error
}
