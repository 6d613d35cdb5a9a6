# cpan Redis
use strict;
use warnings;
use utf8;
use JSON::PP;
use Redis;

my ($server) = ($ENV{REDIS} // 'redis://localhost:6379/0') =~ m{^redis://([^/]+)};
my $message = {event => 'update', room => 'news', data => {title => 'Grüße from Perl'}};
Redis->new(server => $server)->publish('ws-emit', encode_json($message));
