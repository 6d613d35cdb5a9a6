package main

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// systemd tells the service manager how the service goes (sd_notify). Where none has started us, nothing happens.
type systemd struct{ log *slog.Logger }

func (s systemd) ready(addr net.Addr) {
	s.notify(daemon.SdNotifyReady + "\nSTATUS=listening on " + addr.String())
}

func (s systemd) stopping() { s.notify(daemon.SdNotifyStopping) }

// watchdog gives a sign of life twice in the time in which systemd wants one, until ctx ends. What it proves is that goroutines of the
// process get to run.
func (s systemd) watchdog(ctx context.Context) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("watchdog of systemd is not usable", "err", err)
	}
	if within <= 0 {
		return
	}
	again := time.NewTicker(within / 2)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
			s.notify(daemon.SdNotifyWatchdog)
		}
	}
}

func (s systemd) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("systemd could not be told", "err", err)
	}
}
