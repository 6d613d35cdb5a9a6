use strict;
use warnings;
use utf8;
use HTTP::Tiny;
use JSON::PP;

my $message = {event => 'update', room => 'news', data => {title => 'Grüße from Perl'}};
my $answer  = HTTP::Tiny->new(timeout => 10, max_redirect => 0)->post(
    $ENV{WS_EMIT_URL} // 'http://localhost:8899/emit',
    {
        headers => {'Authorization' => "Bearer $ENV{SECRET}", 'Content-Type' => 'application/json'},
        content => encode_json($message),
    },
);
die "$answer->{status} $answer->{content}" unless $answer->{success};
