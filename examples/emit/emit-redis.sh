#!/bin/sh
redis-cli -u "${REDIS:-redis://localhost:6379/0}" PUBLISH ws-emit \
  '{"event": "update", "room": "news", "data": {"title": "Grüße from redis-cli"}}'
