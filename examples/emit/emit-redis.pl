# cpan Redis
use strict;
use warnings;
use utf8;
use JSON::PP;
use Redis;

my ($user, $password, $server) = ($ENV{REDIS} // 'redis://localhost:6379/0') =~ m{^redis://(?:([^:@/]*):([^@/]*)@)?([^/]+)};
for ($user, $password) { s/%(..)/chr hex $1/ge if defined }
my $redis   = Redis->new(server => $server, $password ? (password => $password) : (), $user ? (username => $user) : ());
my $message = {event => 'update', room => 'news', data => {title => 'Grüße from Perl'}};
$redis->publish('ws-emit', encode_json($message));
