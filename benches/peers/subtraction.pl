#!/usr/bin/perl
# Ten rounds of the subtraction game as an AGI program in Perl, with Asterisk::AGI.
use strict;
use warnings;
use Asterisk::AGI;

my $agi = Asterisk::AGI->new;
my %env = $agi->ReadParse();
$agi->setcallback(sub { exit 0 });    # a result of -1: hung up

my $score = 0;
$agi->answer();
$agi->stream_file('subtraction-game-welcome');
for (1 .. 10) {
    my $big   = int(rand(22)) + 10;
    my $small = int(rand($big + 1));
    $agi->say_number($big);
    $agi->stream_file('subtraction-game-minus');
    $agi->say_number($small);
    my $digits = $agi->get_data('subtraction-game-equals', 5000, 2) // '';
    if ($digits =~ /^\d+$/ && $digits == $big - $small) {
        $score++;
        $agi->stream_file('subtraction-game-good');
    } else {
        $agi->stream_file('subtraction-game-wrong');
        $agi->say_number($big - $small);
    }
}
$agi->say_number($score);
