//go:build race

package server_test

// raceEnabled says that everything takes several times as long, so that the numbers of the large tests are smaller.
const raceEnabled = true
