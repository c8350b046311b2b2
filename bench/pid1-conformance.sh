#!/usr/bin/env bash
# Runs tests/supervise_pid1.rs against flugs, tini and dumb-init, and prints the results as a
# table; with --write, puts the table into docs/supervision.md.
#
#   bench/pid1-conformance.sh [--write]
#
# Needs root (PID namespaces), perl, and Debian's tini and dumb-init.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for tool in tini dumb-init perl; do
  command -v "$tool" >/dev/null || { echo "pid1-conformance.sh: $tool is missing: apt-get install $tool" >&2; exit 1; }
done

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
# SUITE names a suite that is built already.
suite=${SUITE:-$(cargo test --no-run --test supervise_pid1 2>&1 | perl -ne 'print $1 if /Executable .*\((.*supervise_pid1-[0-9a-f]+)\)/')}
[ -n "$suite" ] || { echo "pid1-conformance.sh: the suite did not build" >&2; exit 1; }

# run NAME [WORDS]: the suite's results, one `module::case ok|FAILED` a line.
run() {
  local name=$1
  shift
  if [ $# -gt 0 ]; then export FLUGS_PID1="$*"; else unset FLUGS_PID1; fi
  "$suite" --test-threads 2 2>/dev/null |
    perl -ne 'print "$1 $2\n" if /^test (\S+) \.\.\. (ok|FAILED)/' | sort >"$results/$name" || true
}

run flugs
run tini tini -g --
run tini-s tini -s -g --
run dumb-init dumb-init --

table() {
  perl -e '
    my ($directory, @inits) = @ARGV;
    my (%result, %cases);
    for my $init (@inits) {
      open my $file, "<", "$directory/$init" or die;
      while (<$file>) {
        my ($test, $end) = split;
        my ($mode, $case) = $test =~ /^(\w+)::(\w+)$/ ? ($1, $2) : ("pid1", $test);
        $cases{$case} = 1;
        $result{$init}{$case}{$mode} = $end;
      }
    }
    my %titles = (flugs => "flugs", tini => "tini -g", "tini-s" => "tini -s -g", "dumb-init" => "dumb-init");
    print "| case | ", join(" | ", map { $titles{$_} } @inits), " |\n";
    print "|---", "|---" x @inits, "|\n";
    my %passed;
    for my $case (sort keys %cases) {
      (my $words = $case) =~ tr/_/ /;
      my @cells;
      for my $init (@inits) {
        my @marks;
        for my $mode (qw(pid1 subreaper plain)) {
          my $end = $result{$init}{$case}{$mode} // next;
          $passed{$init}[$end eq "ok" ? 0 : 1]++;
          push @marks, $end eq "ok" ? "yes" : "no";
        }
        my %seen = map { $_ => 1 } @marks;
        push @cells, keys %seen == 1 ? $marks[0] : join " / ", @marks;
      }
      print "| $words | ", join(" | ", @cells), " |\n";
    }
    print "| **passed of all** | ", join(" | ", map {
      my ($yes, $no) = map { $_ // 0 } @{$passed{$_}}[0, 1]; sprintf "%d of %d", $yes, $yes + $no
    } @inits), " |\n";
  ' "$results" flugs tini tini-s dumb-init
}

versions="flugs $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1), $(tini --version 2>&1 | head -n 1), $(dumb-init --version 2>&1 | head -n 1), Linux $(uname -r)"
{
  echo "$versions. Where the three ways of running differ: as PID 1 / below a subreaper / as a plain process."
  echo
  table
} >"$results/table"
cat "$results/table"

if [ "${1:-}" = --write ]; then
  TABLE="$results/table" perl -0pi -e '
    BEGIN { local $/; open my $file, "<", $ENV{TABLE} or die; $table = <$file> }
    s/(<!-- conformance -->\n).*(<!-- end -->)/$1\n$table\n$2/s or die "no markers";
  ' docs/supervision.md
fi
