<?php
// Publishes through Redis as a backend does; ../doc.go describes the orders.
// The first argument is the URL of Redis. There is no one emitter that PHP
// programs have: what stands here is what the known ones put on the wire.

$url = parse_url($argv[1]);
$redis = new Redis();
$redis->connect($url['host'], $url['port']);

// PHP's strings are bytes; msgpack_pack writes all of them as text.
function unpacked($value, bool &$binary)
{
    if (!is_array($value)) {
        return $value;
    }
    if (array_key_exists('$bin', $value)) {
        $binary = true;
        return base64_decode($value['$bin']);
    }
    $out = [];
    foreach ($value as $key => $v) {
        $out[$key] = unpacked($v, $binary);
    }
    return $out;
}

// The body of POST /emit, on our own channel.
function plain(Redis $redis, array $o): void
{
    $message = ['event' => $o['event'], 'args' => $o['args'], 'room' => $o['rooms'], 'except' => $o['skip'], 'namespace' => $o['namespace']];
    $redis->publish('ws-emit', json_encode($message, JSON_THROW_ON_ERROR));
}

// Once for each room. No flags are an empty list, as PHP knows no difference;
// with bytes, what looks like the beginning of a long text is made to look like
// that of bytes in a format that was never made a standard.
function emitter(Redis $redis, array $o): void
{
    $binary = false;
    $data = unpacked(array_merge([$o['event']], $o['args']), $binary);
    $packet = ['type' => $binary ? 5 : 2, 'data' => $data, 'nsp' => $o['namespace']];
    $payload = msgpack_pack(['emitter', $packet, ['rooms' => $o['rooms'], 'flags' => []]]);
    if ($binary) {
        $payload = strtr($payload, "\xda\xdb", "\xd8\xd9");
    }
    $channel = "socket.io#{$o['namespace']}#";
    foreach ($o['rooms'] ?: [null] as $room) {
        $redis->publish($room === null ? $channel : "$channel$room#", $payload);
    }
}

// Once on the channel of the namespace, whatever the rooms.
function emitterOnce(Redis $redis, array $o): void
{
    $binary = false;
    $data = unpacked(array_merge([$o['event']], $o['args']), $binary);
    $packet = ['type' => 2, 'data' => $data, 'nsp' => $o['namespace']];
    $opts = ['rooms' => $o['rooms'], 'except' => $o['skip'], 'flags' => []];
    $redis->publish("socket.io#{$o['namespace']}#", msgpack_pack(['emitter', $packet, $opts]));
}

$publishers = ['plain' => plain(...), 'emitter' => emitter(...), 'emitter-once' => emitterOnce(...)];

while (($line = fgets(STDIN)) !== false) {
    $order = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
    try {
        $publishers[$order['with']]($redis, $order);
        $answer = ['id' => $order['id'], 'result' => null];
    } catch (Throwable $e) {
        $answer = ['id' => $order['id'], 'error' => (string) $e];
    }
    echo json_encode($answer), "\n";
}
