// Package pickle reads the pickles of Python, in the protocols 0 to 5, as far as they are plain data: None, booleans, numbers, strings,
// bytes, lists, tuples and dicts.
//
// A pickle is a program for a machine with a stack. The machine of Python can import and call anything, this one has no such opcodes: a
// pickle that uses one is refused, whatever it would do. [Decode] runs the program and keeps the payload: a scalar is the place where its
// opcode stands there, a container the list of such places. What it allocates is bounded, whatever is in the payload: up to
// 64 times as much, and no more than twice as much and 64 bytes for each value that there may be. What has more of them is refused before
// anything is allocated.
//
// What Decode returns is a tree for those who walk over it: nothing contains itself, and depth and size are bounded. It may be larger than
// the payload, for one value can stand in several places; who copies it must count.
package pickle
