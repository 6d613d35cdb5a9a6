# gem install redis
require "json"
require "redis"

message = {event: "update", room: "news", data: {title: "Grüße from Ruby"}}
Redis.new(url: ENV.fetch("REDIS", "redis://localhost:6379/0")).publish("ws-emit", JSON.generate(message))
