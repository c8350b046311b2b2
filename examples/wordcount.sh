#!/usr/bin/env bash
# Counts the words of a text on a running Flink cluster: examples/wordcount.sql.
#
# Flink's own SQL client runs the script where it can. From Flink 1.17 on the
# client starts a gateway inside itself, and the packages on PyPI lack that jar
# (a release tarball has it in opt/); there a small job submitted by `flink run`
# executes the same script (examples/sql-script/SqlScript.java).
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: examples/wordcount.sh --flink-home DIR --conf-dir DIR --output DIR [--input FILE]

  --flink-home DIR  the Flink distribution whose client is used
  --conf-dir DIR    where the client finds the cluster (rest.address, rest.port);
                    `flugs up --dir D` writes D/client-conf
  --output DIR      where the counts go, as CSV files (overwritten)
  --input FILE      the text (default: /usr/share/common-licenses/GPL-3)

Prints the ten most frequent words. The counts equal those of
  LC_ALL=C tr -cs 'A-Za-z' '\n' <FILE | tr A-Z a-z | grep . | sort | uniq -c
USAGE
}

fail() {
  printf 'wordcount: error: %s\n' "$*" >&2
  exit 1
}

parse_arguments() {
  home='' conf='' output='' input=/usr/share/common-licenses/GPL-3
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --flink-home) home=${2:-} ;;
      --conf-dir) conf=${2:-} ;;
      --output) output=${2:-} ;;
      --input) input=${2:-} ;;
      *) usage >&2; fail "unknown argument: $1" ;;
    esac
    shift 2 || { usage >&2; fail "$1 lacks its value"; }
  done
  if [ -z "$home" ] || [ -z "$conf" ] || [ -z "$output" ]; then
    usage >&2
    fail '--flink-home, --conf-dir and --output are needed'
  fi
  [ -x "$home/bin/sql-client.sh" ] || fail "$home is no Flink home: it has no bin/sql-client.sh (tools/flink-home.sh makes one)"
  [ -d "$conf" ] || fail "no such configuration directory: $conf"
  [ -r "$input" ] || fail "cannot read the text $input"
  home=$(realpath "$home") conf=$(realpath "$conf")
  output=$(realpath -m "$output") input=$(realpath "$input")
}

# The script reaches a thousand words in a line; more would be lost without a word.
check_line_length() {
  local number words
  read -r number words < <(LC_ALL=C tr -c 'A-Za-z\n' ' ' <"$input" |
    awk 'NF > 1000 { print NR, NF; exit }') || return 0
  fail "line $number of $input has $words words; at most 1000 are counted"
}

# A path as an SQL string literal.
quoted_uri() { printf "'file://%s'" "${1//\'/\'\'}"; }

# The SQL client has no variables: the tables that hold the paths come before
# the script, in the file that opens the session.
write_session() {
  cat <<SQL
CREATE TABLE text_lines (line STRING)
WITH ('connector' = 'filesystem', 'path' = $(quoted_uri "$input"), 'format' = 'raw');
CREATE TABLE word_counts (word STRING, occurrences BIGINT)
WITH ('connector' = 'filesystem', 'path' = $(quoted_uri "$output"), 'format' = 'csv');
SQL
}

client_is_complete() {
  # From 1.17 on the client is one of the gateway's; before that it needs no other jar.
  compgen -G "$home/opt/flink-sql-gateway*.jar" >/dev/null ||
    [[ $(basename "$home"/lib/flink-dist*.jar .jar) =~ -1\.1[0-6]\. ]]
}

run_script() {
  local sql=$here/wordcount.sql
  if client_is_complete; then
    "$home/bin/sql-client.sh" -i "$work/session.sql" -f "$sql"
  else
    "$here/java-job.sh" "$home" "$here/sql-script/SqlScript.java" "$work/sql-script.jar"
    "$home/bin/flink" run "$work/sql-script.jar" "$work/session.sql" "$sql"
  fi
}

main() {
  parse_arguments "$@"
  check_line_length
  here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  write_session >"$work/session.sql"
  # Flink's scripts trip over blanks in their own path, and find their home by the first of
  # these variables instead of by that path if it is set.
  ln -s "$home" "$work/flink"
  ln -s "$conf" "$work/conf"
  export _FLINK_HOME_DETERMINED=true FLINK_HOME=$work/flink
  export FLINK_CONF_DIR=$work/conf FLINK_LOG_DIR=$work/log
  mkdir "$work/log"
  # Flink 1.13 knows nothing of Java's modules: on Java 17 its client needs these
  # packages opened. The first option lets Java 8 pass over the others.
  local module=--add-opens=java.base/java
  export JVM_ARGS="${JVM_ARGS:-} -XX:+IgnoreUnrecognizedVMOptions $module.lang=ALL-UNNAMED $module.util=ALL-UNNAMED $module.time=ALL-UNNAMED $module.net=ALL-UNNAMED"
  # 1.13's client reports a failed statement and ends with success: its words decide.
  run_script 2>&1 | tee "$work/client.txt"
  if grep -q '\[ERROR\]' "$work/client.txt"; then fail 'the client reported an error, see above'; fi
  printf 'The counts of all words: %s\n' "$output"
}

main "$@"
