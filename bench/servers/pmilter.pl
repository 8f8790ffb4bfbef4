# The workloads on Sendmail::PMilter, each with the callbacks its users have.
#
#     pmilter.pl ADDRESS WORKLOAD
use strict;
use warnings;
use Sendmail::PMilter qw(:all);

my ($address, $workload) = @ARGV;
my $go_on = sub { SMFIS_CONTINUE };

sub collect_envfrom {
	my $ctx = shift;

	$ctx->setpriv({ fields => [], body => '' });
	return SMFIS_CONTINUE;
}

sub collect_header {
	my ($ctx, $name, $value) = @_;
	my $message = $ctx->getpriv();

	push @{ $message->{fields} }, [ $name, $value ];
	return SMFIS_CONTINUE;
}

sub collect_body {
	my ($ctx, $chunk) = @_;

	$ctx->getpriv()->{body} .= $chunk;
	return SMFIS_CONTINUE;
}

sub collect_eom {
	my $ctx = shift;
	my $message = $ctx->getpriv();

	$ctx->addheader('X-Bench-Fields', scalar @{ $message->{fields} });
	$ctx->addheader('X-Bench-Size', length $message->{body});
	substr($message->{body}, 0, 1) = '#';
	# It does not cut what is longer than a frame.
	for (my $at = 0; $at < length $message->{body}; $at += 65535) {
		$ctx->replacebody(substr($message->{body}, $at, 65535));
	}
	return SMFIS_ACCEPT;
}

my %workloads = (
	'noop' => [
		{
			connect => $go_on, helo => $go_on, envfrom => $go_on, envrcpt => $go_on,
			header => $go_on, eoh => $go_on, body => $go_on, eom => $go_on,
		},
		0,
	],
	'addheader' => [
		{
			envfrom => $go_on,
			envrcpt => $go_on,
			header => $go_on,
			eom => sub { $_[0]->addheader('X-Bench', 'yes'); SMFIS_ACCEPT },
		},
		SMFIF_ADDHDRS,
	],
	'body' => [
		{
			envfrom => \&collect_envfrom,
			header => \&collect_header,
			body => \&collect_body,
			eom => \&collect_eom,
		},
		SMFIF_ADDHDRS | SMFIF_CHGBODY,
	],
);
my ($callbacks, $flags) = @{ $workloads{$workload} || die "no workload $workload\n" };

my $milter = Sendmail::PMilter->new();
$milter->setconn($address);
$milter->register('bench', $callbacks, $flags);
$milter->main();
