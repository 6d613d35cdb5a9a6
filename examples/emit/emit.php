<?php
$message = ['event' => 'update', 'room' => 'news', 'data' => ['title' => 'Grüße from PHP']];
$context = stream_context_create(['http' => [
    'method' => 'POST',
    'header' => ['Authorization: Bearer ' . getenv('SECRET'), 'Content-Type: application/json'],
    'content' => json_encode($message),
    'max_redirects' => 1, // none: following one would make a GET of it
    'timeout' => 10,
]]);
// What is not 200 is a warning and false.
file_get_contents(getenv('WS_EMIT_URL') ?: 'http://localhost:8899/emit', false, $context) !== false || exit(1);
