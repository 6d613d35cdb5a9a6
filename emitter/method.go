package emitter

// Method is what a [Message] asks for.
type Method uint8

// The methods, under the names that python-socketio gives them.
const (
	MethodEmit       Method = iota // the sockets get an event
	MethodEnterRoom                // the sockets enter the rooms of Change
	MethodLeaveRoom                // the sockets leave the rooms of Change
	MethodCloseRoom                // the sockets of each room of Rooms leave it
	MethodDisconnect               // the sockets are disconnected from the namespace, or with Close their connections are closed
)

var methodNames = [...]string{"emit", "enter_room", "leave_room", "close_room", "disconnect"}

// Methods returns all methods.
func Methods() []Method {
	all := make([]Method, len(methodNames))
	for i := range all {
		all[i] = Method(i)
	}
	return all
}

// String returns the name of a method.
func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return "unknown"
}

// ParseMethod returns the method of a name.
func ParseMethod(name string) (m Method, ok bool) {
	for i, n := range methodNames {
		if n == name {
			return Method(i), true
		}
	}
	return 0, false
}
