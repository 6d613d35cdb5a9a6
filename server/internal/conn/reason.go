package conn

// CloseReason says why a connection ended. It is a metric label: the set is fixed.
type CloseReason string

const (
	ReasonClient         CloseReason = "client"          // the client said goodbye
	ReasonTransportClose CloseReason = "transport close" // the network connection ended
	ReasonTransportError CloseReason = "transport error" // reading or writing failed
	ReasonPingTimeout    CloseReason = "ping timeout"    // no PONG in time
	ReasonSlowConsumer   CloseReason = "slow consumer"   // too much waited, or nothing could be written for too long
	ReasonParseError     CloseReason = "parse error"     // the peer broke the rules of the protocol
	ReasonTooLarge       CloseReason = "too large"       // a message over maxPayload
	ReasonOverlap        CloseReason = "overlap"         // two requests of one kind at once
	ReasonConnectTimeout CloseReason = "connect timeout" // nobody connected to a namespace in time
	ReasonServer         CloseReason = "server"          // the application ended it
	ReasonShutdown       CloseReason = "shutdown"        // the server stops
	ReasonInternal       CloseReason = "internal error"  // a bug; logged
)
