# Publishes through Redis as a backend does; ../doc.go describes the orders.
# The first argument is the URL of Redis. SocketIO::Emitter cannot be had from
# Debian: what stands here is what it puts on the wire.
use strict;
use warnings;
use Data::MessagePack;
use Encode qw(encode_utf8);
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use Redis;

$| = 1;
my ($server) = $ARGV[0] =~ m{^redis://([^/]+)} or die "not the URL of Redis: $ARGV[0]\n";
my $redis = Redis->new(server => $server);
my $json  = JSON::PP->new->utf8;

# Bytes and true and false; the rest is as the emitter takes it.
sub unpacked {
    my ($value) = @_;
    return [map { unpacked($_) } @$value] if ref $value eq 'ARRAY';
    return $value ? Data::MessagePack::true() : Data::MessagePack::false() if ref $value && ref $value ne 'HASH';
    return $value if ref $value ne 'HASH';
    return decode_base64($value->{'$bin'}) if exists $value->{'$bin'};
    return {map { $_ => unpacked($value->{$_}) } keys %$value};
}

# The body of POST /emit, on our own channel.
sub plain {
    my ($o) = @_;
    my %message = (event => $o->{event}, args => $o->{args}, room => $o->{rooms}, except => $o->{skip}, namespace => $o->{namespace});
    $redis->publish('ws-emit', $json->encode(\%message));
}

# Once for each room. A flag that is set is 1, a text that is not ASCII is taken
# for bytes, and bytes are written as text.
sub emitter {
    my ($o)    = @_;
    my $data   = unpacked([$o->{event}, @{$o->{args}}]);
    my $binary = grep { defined && (my $text = $_) =~ /[^\x00-\x7f]/ } @$data;
    my %packet = (type => $binary ? 5 : 2, data => $data, nsp => $o->{namespace});
    my $payload = Data::MessagePack->new->utf8->pack(['emitter', \%packet, {rooms => $o->{rooms}, flags => {broadcast => 1}}]);
    my $base    = "socket.io#$o->{namespace}#";
    $redis->publish(encode_utf8($_), $payload) for @{$o->{rooms}} ? map { "$base$_#" } @{$o->{rooms}} : $base;
}

my %publishers = (plain => \&plain, emitter => \&emitter);

while (my $line = <STDIN>) {
    my $order  = $json->decode($line);
    my $done   = eval { $publishers{$order->{with}}->($order); 1 };
    my %answer = (id => $order->{id}, $done ? (result => undef) : (error => "$@"));
    print $json->encode(\%answer), "\n";
}
