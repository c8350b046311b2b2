# shellcheck shell=bash disable=SC2034
# Sourced, in the project's directory, by benchmarks that are called
#
#   bench/NAME.sh [--rounds N] [FLINK_VERSION…]
#
# which have set `rounds` and `versions` to what they are by default. Exports FLUGS, the binary to
# measure (this tree's release build, unless it names another one), and HOMES, where Flink's homes are.

given=()
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "$0: error: --rounds needs a number" >&2 && exit 64; } ;;&
    --rounds) rounds=$2 && shift 2 ;;
    -*) echo "Usage: ${0} ${usage:-[--rounds N] [FLINK_VERSION…]}" >&2 && exit 64 ;;
    *) given+=("$1") && shift ;;
  esac
done
[ ${#given[@]} -eq 0 ] || versions=("${given[@]}")
target=$(rustc -vV | sed -n 's/^host: //p')
export FLUGS="${FLUGS:-${CARGO_TARGET_DIR:-target}/$target/release/flugs}"
export HOMES="${FLUGS_FLINK_HOMES:-target/flink}"
[ -x "$FLUGS" ] || { echo "$0: error: no $FLUGS; run: cargo build --release" >&2 && exit 1; }
