<?php
// Needs the extension redis.
$url = parse_url(getenv('REDIS') ?: 'redis://localhost:6379/0');
$redis = new Redis();
$redis->connect($url['host'], $url['port'] ?? 6379);
$redis->publish('ws-emit', json_encode(['event' => 'update', 'room' => 'news', 'data' => ['title' => 'Grüße from PHP']]));
