// Package roomspace decides who may join a room.
//
// The space of a room is what stands before the first "::" of its name ([Parse]); all rooms of a space share one join secret, and a room
// without a space is public. A [SecretStore] holds the secrets: [Redis] (the key ws-emit::secret::<space>, which backends in any language
// write themselves), [Memory], [Fixed] entries on top of another store, and [Switching] from memory to Redis. [Authorizer.Join] answers
// one join: limits on failed joins, then the check of the secret, then the count of the failure. [SecretsHandler] lets backends without
// Redis set and delete secrets by HTTP.
//
// Data flows one way: store -> lookup -> Authorizer -> the caller's answer. Secrets are compared in constant time, are never part of an
// error or a log line, and leave this package only through the SecretStore's own Secret method.
//
// The package starts goroutines only inside an Authorizer: at most 64 that ask the store, each as long as there is something to ask, and
// one that waits for a lost store to come back. [Authorizer.Close] ends them and waits for them.
//
// It imports nothing of this project, so that a Go backend can import it alone.
package roomspace
