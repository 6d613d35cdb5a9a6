require "json"
require "net/http"

message = {event: "update", room: "news", data: {title: "Grüße from Ruby"}}
answer = Net::HTTP.post(
  URI(ENV.fetch("WS_EMIT_URL", "http://localhost:8899/emit")),
  JSON.generate(message),
  "Authorization" => "Bearer #{ENV.fetch("SECRET")}", "Content-Type" => "application/json"
)
answer.value # raises what is not 200
