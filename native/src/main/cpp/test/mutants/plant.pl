#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
# plant.pl FROM TO: copies the sources of FROM to TO with a mistake at every place of the kinds below, each behind a
# number (mutants.h). Prints a line for each: number, file, line, kind and text, with tabs between.
use strict;
use warnings;

my ($from, $to) = @ARGV;
my $count = 0;
my ($file, $text);
my @kinds;  # of the line, with their numbers

sub id {
  push @kinds, [$count, shift];
  return $count++;
}

# The larger or lesser of two: the same for equal ones.
sub is_choice {
  my $code = shift;
  my $operand = qr/[\w.]+(?:\[\w+\])?/;
  return 1 if $code =~ /($operand) [<>]=? ($operand) \? (?:\1 : \2|\2 : \1)(?![\w(.\[])/;
  return $code =~ /if \(($operand) [<>]=? ($operand)\) (?:\1 = \2|\2 = \1);/;
}

# Comparisons outside of strings.
sub comparisons {
  my $code = shift;
  my @parts = split /( [<>]=? )/, $code;
  my $out = '';
  for my $part (@parts) {
    my $quotes = () = $out =~ /"/g;
    if ($part =~ /^ ([<>]=?) $/ && $quotes % 2 == 0) {
      $part = " $1 mutants::Tie<" . id('guard off by one') . ">() $1 ";
    }
    $out .= $part;
  }
  return $out;
}

sub planted {
  my $line = shift;
  return $line if $line =~ /^\s*(#|\/\/)/;
  my ($code, $comment) = $line =~ m{^(.*?)(\s*//.*)?$}s;
  $comment //= '';
  $code = comparisons($code) unless is_choice($code);
  $code =~ s/(__sync(?:threads|warp)\(\);)/'mutants::at<' . id('no barrier') . ">() ? void() : $1"/ge;
  $code =~ s/(^\s*|[;){] |return )(synchronize\()(?!State)/"$1mutants::at<" . id('no wait') . ">() ? void() : $2"/ge;
  $code =~ s/((?:cuda::)?)\bcheck\((cuda(?!Error)\w+|start\()/my ($space, $call) = ($1, $2);
    my $skip = $call =~ m{Synchronize|WaitEvent} ? 'mutants::at<' . id('no wait') . '>() ? void() : '
             : $call =~ m{^cudaMem(cpy|set)} ? 'mutants::at<' . id('no copy or fill') . '>() ? void() : ' : '';
    $skip . $space . 'check(mutants::Ok<' . id('status not looked at') . ">() % $call"/gex;
  $code =~ s/(^\s+|\{ )require\(/"$1require(mutants::Ok<" . id('status not looked at') . '>() % '/ge;
  $code =~ s/\binfo\(status/'mutants::Zero<' . id('info not looked at') . '>() * info(status'/ge;
  $code =~ s/\b(Op::[NT]|kOperation[NT]|kFillUpper|kSide(?:Left|Right)|Side::(?:LEFT|RIGHT))\b/
    'mutants::other<' . id('transpose, side or triangle exchanged') . ">($1)"/gex;
  $code =~ s/\b(tiles\[turn\]|tile|left|right)\[([^][]+)\]\[([^][]+)\]/
    'mutants::turned<' . id('indices exchanged') . ">($1, $2, $3)"/gex unless $code =~ /__shared__/;
  $code =~ s/(?<= )\* ((?:\w+\.)?(?:ld\w*|\w*stride))\b(?![(\[])/'* mutants::more<' . id('wrong ld') . ">($1)"/ge;
  $code =~ s/\bleading\((ld\w*),/'leading(mutants::more<' . id('wrong ld') . ">($1),"/ge;
  return $code . $comment;
}

for my $path (sort glob "$from/*.cu $from/*.cuh $from/*.cpp") {
  ($file) = $path =~ m{([^/]+)$};
  open my $in, '<', $path or die "plant.pl: $path: $!\n";
  open my $out, '>', "$to/$file" or die "plant.pl: $to/$file: $!\n";
  while (my $line = <$in>) {
    chomp $line;
    ($text = $line) =~ s/^\s+//;
    @kinds = ();
    print $out planted($line), "\n";
    print join("\t", $_->[0], $file, $., $_->[1], $text), "\n" for @kinds;
  }
  close $out or die "plant.pl: $to/$file: $!\n";
}
