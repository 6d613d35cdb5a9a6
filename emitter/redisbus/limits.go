package redisbus

import (
	"math"

	"github.com/ws-emit/ws-emit/emitter"
)

// The functions of this file bound what a payload may cost before it is known how much of it counts against [emitter.Limits]. What they allow
// is more than any message that is within the limits needs in any dialect, with its white space, escapes and headers. A limit that is switched
// off switches off what is derived from it.

// noLimit is more than any payload has, and can be multiplied by 32.
const noLimit = math.MaxInt >> 6

// isUnlimited reports whether there is no bound for how large a message may be.
func isUnlimited(l emitter.Limits) bool { return l.MaxBytes < 0 || l.MaxRooms < 0 }

// maxCounted is what counts against MaxBytes at most, in bytes. Below 1 MiB it is not worth being strict.
func maxCounted(l emitter.Limits) int {
	if l.MaxBytes < 0 {
		return noLimit
	}
	return int(min(max(l.MaxBytes, 1<<20), noLimit))
}

// maxNames is how many names a list may have.
func maxNames(l emitter.Limits) int {
	if l.MaxRooms < 0 {
		return noLimit
	}
	return 2 * min(max(l.MaxRooms, 1000), noLimit>>1)
}

// nameText is how long a name can be as JSON, in bytes: all of it escaped.
const nameText = emitter.MaxRoomBytes*len(`\u0000`) + len(`"",`)

// maxNameText is how long the lists of names of a message can be as JSON, in bytes.
func maxNameText(l emitter.Limits) int { return min(maxNames(l), noLimit/nameText) * nameText }

// maxPayload is how long a payload may be, in bytes. Two bytes that count can take 9, as a float in MessagePack does.
func maxPayload(l emitter.Limits) int {
	if isUnlimited(l) {
		return noLimit
	}
	return 16*maxCounted(l) + maxNameText(l)
}

// maxText is how long a message, or what comes to be its arguments, may be as JSON, in bytes. With a blank between any two values it is one
// and a half of what counts.
func maxText(l emitter.Limits) int {
	if isUnlimited(l) {
		return noLimit
	}
	return 2*maxCounted(l) + maxNameText(l)
}

// maxArgs is how many arguments a message may have. Each counts for two bytes at least.
func maxArgs(l emitter.Limits) int { return maxCounted(l) / 2 }

// pickleBudget is how much may be written for a pickle of n bytes, in bytes, where only what counts is written. One value can stand in many
// places: a list of dicts comes to a hundred times its pickle where a long text is in each of them, and only the limits tell that from what was
// made to do harm. Without limits it is 64 times the pickle, or what the default ones allow.
func pickleBudget(l emitter.Limits, n int) int {
	if isUnlimited(l) {
		return max(64*n, pickleBudget(emitter.Limits{}, n))
	}
	return maxCounted(l) + min(maxNames(l), noLimit>>8)*emitter.MaxRoomBytes
}

// maxPickled is how many values a pickle of n bytes may have. Each takes two bytes at least of what is written for it, or is one of the
// names, or of some members that mean nothing here.
func maxPickled(l emitter.Limits, n int) int {
	if isUnlimited(l) {
		return max(n, maxPickled(emitter.Limits{}, n))
	}
	return maxCounted(l)/2 + 2*maxNames(l) + 1000
}
