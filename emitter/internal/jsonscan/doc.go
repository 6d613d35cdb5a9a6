// Package jsonscan reads JSON without decoding it. [Parse] checks a text in one pass; [Members], [Elements] and the methods of [Value] then take
// apart what has been checked, without a copy and without recursion, so that deep nesting costs no stack.
package jsonscan
