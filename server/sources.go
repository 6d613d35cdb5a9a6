package server

import (
	"github.com/redis/go-redis/v9"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/roomspace"
)

// clusterSink takes what only this node sees. Until nodes have a bus of their own it is the local sink.
func (s *Server) clusterSink() emitter.Sink { return s }

// sinkOf is the sink that a source needs.
func (s *Server) sinkOf(src emitter.Source) emitter.Sink {
	sink := emitter.Sink(s)
	if src.Audience() == emitter.OneNode {
		sink = s.clusterSink()
	}
	return counting{sink, s, src.Name()}
}

// useRedis sets up what Redis is for: secrets and messages. Nothing is sent to it before Run.
func (s *Server) useRedis(byDefault string) error {
	memory := roomspace.NewSwitching(s.cfg.Logger)
	var store roomspace.SecretStore = memory
	if s.cfg.Redis != NoRedis {
		url := s.cfg.Redis
		if url == "" {
			url = byDefault
		}
		options, err := redisbus.ParseURL(url)
		if err != nil {
			return err
		}
		options.ReadTimeout = max(options.ReadTimeout, s.cfg.RedisTimeout) // that one decides
		s.redis = redis.NewClient(options)
		secrets := roomspace.NewRedis(s.redis, s.cfg.RedisTimeout)
		if s.cfg.Redis != "" {
			memory.Use(secrets)
			s.redisRequired.Store(true)
		}
		reader, err := s.newReader(options, func() {
			// It was not sure that there is one; from now on it is.
			memory.Use(secrets)
			s.redisRequired.Store(true)
		})
		if err != nil {
			return err
		}
		s.sources = append(s.sources, reader)
	}
	fixed, err := roomspace.NewFixed(s.cfg.RoomSecrets, store)
	s.secrets = fixed
	return err
}

func (s *Server) newReader(options *redis.Options, onUp func()) (*redisbus.Reader, error) {
	return redisbus.New(redisbus.Config{
		Options:      options,
		Channels:     s.cfg.RedisChannels,
		Namespaces:   s.cfg.Namespaces,
		Methods:      s.cfg.RedisMethods,
		RejectPickle: s.cfg.Pickle == Off,
		Limits:       s.limits(),
		QueueBytes:   s.cfg.RedisQueue,
		Silence:      s.cfg.RedisSilence,
		OnUp:         onUp,
		OnDrop:       func(r redisbus.DropReason) { s.metrics.Dropped("redis", string(r), 1) },
		OnGap:        func(r redisbus.GapReason) { s.metrics.Gap("redis", string(r)) },
		Logger:       s.cfg.Logger,
	})
}
