// Command peers compares ws-emit with other servers on this machine, and checks what is asked of it.
//
//	go run . [-rounds 3] [-peers ws-emit,floor] [-scenarios sequential,parallel|all] [-seed N] [-out DIR]
//
// It installs the servers of package peer, and then for each round, each scenario of package scenario and each server starts that server anew,
// puts it under load and stops it: at most one runs at a time. The order of servers in each round comes from a seed, which is told. Package report makes a
// table, targets and a picture of what was measured, and all raw reports and the servers' own logs are kept beside them.
//
// The exit status is 1 when ws-emit cannot be installed or did something wrong, when a target does not hold or was not measured though its scenario
// and its servers were asked for and could be installed, and when it was interrupted, which leaves what there is.
package main
