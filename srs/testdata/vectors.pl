# Prints "time secret sender rewritten" by Mail::SRS, the clock replaced.
use strict; use warnings;
our $now; BEGIN { *CORE::GLOBAL::time = sub { $now } }
use Mail::SRS;
my @senders = qw(
	alice@example.com Alice@Example.com a=b@example.com bob+ext@mail.example.org x@sub.domain.example.net
	SRS0=abcd=EF=other.example=bob@first.example srs0+abcd=EF=other.example=bob@first.example
	SRS0-abcd=EF=other.example=a-b@first.example SRS1=abcd=first.example==abcd=EF=other.example=bob@second.example
	SRS1+wxyz=first.example=+abcd=EF=other.example=bob@second.example);
for my $secret ("tops3cr3t", "lab-srs-secret") {
	for my $t (0, 1577836860, 1795237200, 2147483648) {
		$now = $t;
		my $srs = Mail::SRS->new(Secret => [$secret], MaxAge => 21, HashLength => 4, HashMin => 4, Separator => "=");
		printf "%d %s %s %s\n", $t, $secret, $_, $srs->forward($_, "srs.test") for @senders;
	}
}
