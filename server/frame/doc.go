// Package frame holds the encoded forms of one message: what is encoded once and then shared, never modified, by every member that
// receives it.
//
// A [Frame] is one message: its packets, and around them the complete unmasked WebSocket form. Server frames are not masked (RFC 6455,
// section 5.1), so one slice of bytes serves every WebSocket member; long-polling uses the packets inside it.
//
// A [Run] is several frames in the order in which one member gets them, with their WebSocket forms joined for one write. Members that
// get the same frames share one run, so the bytes are joined once however many they are.
//
// The package starts no goroutine and imports nothing of this project.
package frame
