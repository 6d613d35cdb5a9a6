<?php
// Needs the extension redis.
$url = parse_url(getenv('REDIS') ?: 'redis://localhost:6379/0');
$redis = new Redis();
$redis->connect($url['host'], $url['port'] ?? 6379);
if (isset($url['pass'])) {
    $password = rawurldecode($url['pass']);
    $redis->auth(empty($url['user']) ? $password : [rawurldecode($url['user']), $password]);
}
$redis->publish('ws-emit', json_encode(['event' => 'update', 'room' => 'news', 'data' => ['title' => 'Grüße from PHP']]));
