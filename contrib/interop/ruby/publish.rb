# Publishes through Redis as a backend does; ../doc.go describes the orders.
# The first argument is the URL of Redis. The emitter for Ruby has long been
# left alone: what stands here is what it puts on the wire.
require "base64"
require "json"
require "msgpack"
require "redis"

$stdout.sync = true
REDIS = Redis.new(url: ARGV[0])

def unpack(value)
  case value
  when Array then value.map { |v| unpack(v) }
  when Hash then value.key?("$bin") ? Base64.decode64(value["$bin"]) : value.transform_values { |v| unpack(v) }
  else value
  end
end

def binary?(value)
  value.is_a?(String) && value.encoding == Encoding::BINARY && !value.ascii_only?
end

# The body of POST /emit, on our own channel.
plain = lambda do |o|
  message = {event: o["event"], args: o["args"], room: o["rooms"], except: o["skip"], namespace: o["namespace"]}
  REDIS.publish("ws-emit", JSON.generate(message))
end

# Once for each room. Bytes within an object or a list are not looked for.
emitter = lambda do |o|
  args = unpack(o["args"])
  packet = {type: args.any? { |arg| binary?(arg) } ? 5 : 2, data: [o["event"], *args], nsp: o["namespace"]}
  payload = MessagePack.pack(["emitter", packet, {rooms: o["rooms"], flags: {}}])
  channel = "socket.io##{o["namespace"]}#"
  channels = o["rooms"].empty? ? [channel] : o["rooms"].map { |room| "#{channel}#{room}#" }
  channels.each { |name| REDIS.publish(name, payload) }
end

publishers = {"plain" => plain, "emitter" => emitter}

$stdin.each_line do |line|
  order = JSON.parse(line)
  answer = {id: order["id"]}
  begin
    publishers.fetch(order["with"]).call(order)
    answer[:result] = nil
  rescue StandardError => e
    answer[:error] = e.full_message(highlight: false)
  end
  puts JSON.generate(answer)
end
