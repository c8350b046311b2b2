#!/usr/bin/env bash
# What an init costs, measured against tini and dumb-init: memory and wake-ups when idle, the
# time from a signal's arrival to the command's handler, processor time and elapsed time for
# each orphan reaped.
#
#   bench/pid1.sh [FLUGS]     FLUGS: the binary (default: the release build, made if missing)
#
# Needs perl and Debian's tini and dumb-init. Prints one table, with the host and the ratios to tini.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${ROUNDS:-2000} orphans=${ORPHANS:-4000} storms=${STORMS:-7} idle=${IDLE:-10} watch=${WATCH:-30}

flugs=${1:-}
if [ -z "$flugs" ]; then
  cargo build --release --quiet
  flugs=$(cargo metadata --format-version 1 --no-deps | perl -ne 'print $1 if /"target_directory":"([^"]+)"/')
  flugs=$(find "$flugs" -path '*/release/flugs' -type f | head -n 1)
fi
for tool in tini dumb-init perl; do
  command -v "$tool" >/dev/null || { echo "pid1.sh: $tool is missing: apt-get install $tool" >&2; exit 1; }
done

declare -A words=(
  [flugs]="$flugs supervise --"
  [tini]="tini -s -g --"
  [dumb-init]="dumb-init --"
)
names=(flugs tini dumb-init)
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT

field() { awk -v name="$2:" '$1 == name { print $2 }' "$1"; }
switches() { awk '/ctxt_switches/ { sum += $2 } END { print sum }' "/proc/$1/status"; }

# idle NAME: RSS, PSS (kB) after ten idle seconds, wake-ups in a minute.
idle() {
  local pid before after
  # shellcheck disable=SC2086 # the words are meant to be split
  ${words[$1]} sleep 1000 </dev/null >/dev/null 2>&1 &
  pid=$!
  sleep "$idle"
  before=$(switches "$pid")
  sleep "$watch"
  after=$(switches "$pid")
  echo "$(field "/proc/$pid/smaps_rollup" Rss) $(field "/proc/$pid/smaps_rollup" Pss) $(((after - before) * 60 / watch))"
  kill "$pid"
  wait "$pid" || true
}

# latency NAME: microseconds from kill() on the init to the command's handler, median and 99th
# percentile.
latency() {
  # shellcheck disable=SC2086
  perl -MTime::HiRes=time,sleep -e '
    my ($rounds, @init) = @ARGV;
    pipe my $in, my $out;
    my $child = q{use Time::HiRes qw(time); $| = 1; open my $o, ">&=", $ARGV[0];
      select $o; $| = 1; $SIG{USR1} = sub { print pack "d", time }; print pack "d", 0;
      sleep 1000 while 1;};
    require Fcntl; fcntl $out, Fcntl::F_SETFD(), 0;
    my $pid = fork;
    if (!$pid) { close $in; exec @init, "perl", "-e", $child, fileno $out }
    close $out;
    sysread $in, my $ready, 8;
    my @taken;
    for (1..$rounds) {
      my $sent = time;
      kill USR1 => $pid;
      sysread $in, my $seen, 8;
      push @taken, (unpack("d", $seen) - $sent) * 1e6;
      sleep 0.0005;
    }
    kill TERM => $pid; waitpid $pid, 0;
    @taken = sort { $a <=> $b } @taken;
    printf "%.0f %.0f\n", $taken[$#taken / 2], $taken[$#taken * 0.99];
  ' "$rounds" ${words[$1]}
}

# reap NAME: nanoseconds of processor time of the init, and microseconds elapsed, for each orphan,
# counted until none is left. Standard output is a file, which every init hands to its command.
reap() {
  storm "$1" >"$scratch"
  cat "$scratch"
}

# median COLUMN: of the lines of standard input.
median() { awk -v column="$1" '{ print $column }' | sort -n | awk '{ line[NR] = $1 } END { print line[int((NR + 1) / 2)] }'; }

storm() {
  # shellcheck disable=SC2086
  perl -MTime::HiRes=time -e '
    my ($count, @init) = @ARGV;
    my $storm = q{
      my $count = shift; my $init = getppid;
      sub spent { open my $f, "<", "/proc/$init/schedstat" or die; (split " ", <$f>)[0] }
      sub left { open my $f, "<", "/proc/$init/task/$init/children" or die; my @c = split " ", <$f> // ""; @c - 1 }
      use Time::HiRes qw(time);
      my ($cpu, $began) = (spent(), time);
      for (1..$count) { my $p = fork; if (!$p) { if (!fork) { exit 0 } exit 0 } waitpid $p, 0 }
      1 while left() > 0;
      printf "%.0f %.2f\n", (spent() - $cpu) / $count, (time - $began) * 1e6 / $count;
    };
    exec @init, "perl", "-e", $storm, $count;
  ' "$orphans" ${words[$1]}
}

printf 'host: %s, %s CPUs, Linux %s\n' "$(perl -ne 'if (/^model name\s*: (.*)/) { print $1; exit }' /proc/cpuinfo)" "$(nproc)" "$(uname -r)"
printf 'flugs: %s, %s bytes\n\n' "$("$flugs" --version)" "$(stat -c %s "$flugs")"
printf '| init | RSS idle, kB | PSS idle, kB | wake-ups a minute | signal to handler, median / p99, µs | CPU an orphan, ns | elapsed an orphan, µs |\n'
printf '|---|---|---|---|---|---|---|\n'
declare -A all storm_of
# The storms take turns, so that whatever else the host does falls on all of them.
for _ in $(seq "$storms"); do
  for name in "${names[@]}"; do storm_of[$name]+="$(reap "$name")"$'\n'; done
done
for name in "${names[@]}"; do
  read -r rss pss wakes <<<"$(idle "$name")"
  read -r median tail <<<"$(latency "$name")"
  cpu=$(printf %s "${storm_of[$name]}" | median 1) elapsed=$(printf %s "${storm_of[$name]}" | median 2)
  all[$name]="$rss $pss $median $cpu $elapsed"
  printf '| %s | %s | %s | %s | %s / %s | %s | %s |\n' "$name" "$rss" "$pss" "$wakes" "$median" "$tail" "$cpu" "$elapsed"
done
read -r -a own <<<"${all[flugs]}"
read -r -a other <<<"${all[tini]}"
ratio() { perl -e 'printf "%.2f", $ARGV[0] / $ARGV[1]' "${own[$1]}" "${other[$1]}"; }
printf '\nflugs / tini: RSS %s, PSS %s, latency %s, CPU an orphan %s, elapsed an orphan %s\n' \
  "$(ratio 0)" "$(ratio 1)" "$(ratio 2)" "$(ratio 3)" "$(ratio 4)"
