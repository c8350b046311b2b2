#!/usr/bin/env bash
# Building an image: flugs against `docker build` and `buildah` for the same content, in full and
# when only a user jar has changed. The three take turns; medians, ratios and the host are printed.
#
#   bench/images.sh [ROUNDS]
#
# Everybody starts from a base that is imported already and gets the same Dockerfile's worth of
# files: a Flink home, the binary, the entry points, one jar. Nobody uses a network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-5}
version=2.3.0
home=$(realpath "${FLUGS_FLINK_HOMES:-target/flink}")/$version
export SOURCE_DATE_EPOCH=1700000000
work=$(mktemp -d "${TMPDIR:-/var/tmp}/bench-images.XXXXXX")
tag=flugs-bench-$$

fail() {
  printf 'bench/images.sh: %s\n' "$*" >&2
  exit 1
}

clean() {
  docker image rm -f "$tag:base" "$tag:full" "$tag:increment" "$tag:flugs" >/dev/null 2>&1 || true
  buildah --root "$work/storage" --runroot "$work/run" rmi --all --force >/dev/null 2>&1 || true
  umount "$work/storage/overlay" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

build_binary() {
  if [ -n "${FLUGS:-}" ]; then
    flugs=$(realpath "$FLUGS")
    return
  fi
  cargo build --quiet --release
  flugs=target/$(rustc -vV | sed -n 's/^host: //p')/release/flugs
  flugs=$(realpath "$flugs")
}

# One context for the builders that need one; flugs reads the same files where they are.
prepare() {
  tools/dockerd.sh
  FLUGS=$flugs tools/base-image.sh target/docker-images/base
  base=$(realpath target/docker-images/base/base.tar)
  mkdir "$work/context"
  cp -a "$home" "$work/context/flink"
  cp "$flugs" "$work/context/flugs"
  cp -a entrypoints "$work/context/entrypoints"
  change_jar
  cat >"$work/context/Dockerfile" <<DOCKERFILE
ARG BASE
FROM \${BASE}
COPY flink /opt/flink
COPY flugs /usr/local/bin/flugs
COPY entrypoints /entrypoints
COPY job.jar /opt/flink/usrlib/job.jar
USER 9999:9999
ENTRYPOINT ["/usr/local/bin/flugs", "entrypoint", "docker"]
DOCKERFILE
  docker import "$base" "$tag:base" >/dev/null
  # Another time gives other layers, so that only the base is there when a full build begins.
  SOURCE_DATE_EPOCH=1 run_flugs "$work/cache-base" "oci:$work/ignored" gzip
  rm -rf "$work/ignored"
  run_buildah from --name base scratch >/dev/null
  run_buildah add base "$base" / >/dev/null
  run_buildah commit --quiet base "$tag:base" >/dev/null
  run_buildah rm base >/dev/null
}

change_jar() { head -c 200000 /dev/urandom >"$work/context/job.jar"; }

run_flugs() {
  "$flugs" image build images/worker.yaml --base "$base" --flink-home "$work/context/flink" \
    --binary "$work/context/flugs" --user-jar "$work/context/job.jar" --name "$tag:flugs" \
    --cache "$1" --output "$2" --compression "$3" >/dev/null
}

run_buildah() {
  buildah --root "$work/storage" --runroot "$work/run" --storage-driver "${STORAGE_DRIVER:-overlay}" "$@"
}

seconds() {
  local start=$EPOCHREALTIME
  "$@"
  local end=$EPOCHREALTIME
  echo "$(((${end/./} - ${start/./}) / 1000))"
}

# fresh: what a full build starts from. Hard links, so that it costs nothing that counts.
fresh_cache() {
  rm -rf "$work/cache"
  cp -al "$work/cache-base" "$work/cache"
}

flugs_full() {
  fresh_cache
  rm -rf "$work/out"
  seconds run_flugs "$work/cache" "oci:$work/out" "$1"
}

flugs_increment() { seconds run_flugs "$work/cache" "oci:$work/out" "$1"; }

flugs_engine_full() {
  fresh_cache
  docker image rm -f "$tag:flugs" >/dev/null 2>&1 || true
  seconds run_flugs "$work/cache" docker none
}

docker_build() {
  docker build --quiet --build-arg "BASE=$tag:base" --tag "$1" "${@:2}" "$work/context" >/dev/null
}

buildah_build() {
  run_buildah build --quiet --isolation chroot --build-arg "BASE=localhost/$tag:base" --tag "$1" "${@:2}" \
    "$work/context" >/dev/null
}

median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : int((v[NR / 2] + v[NR / 2 + 1]) / 2) }'; }

declare -A times
note() { times[$1]+="$2 "; }
of() { tr ' ' '\n' <<<"${times[$1]}" | sed '/^$/d' | median; }

round() {
  change_jar
  note flugs-gzip-full "$(flugs_full gzip)"
  change_jar
  note flugs-gzip-increment "$(flugs_increment gzip)"
  note flugs-zstd-full "$(flugs_full zstd)"
  note flugs-engine-full "$(flugs_engine_full)"
  change_jar
  note flugs-engine-increment "$(seconds run_flugs "$work/cache" docker none)"
  note docker-full "$(seconds docker_build "$tag:full" --no-cache)"
  docker_build "$tag:increment"
  change_jar
  note docker-increment "$(seconds docker_build "$tag:increment")"
  note buildah-full "$(seconds buildah_build "$tag:full" --no-cache --layers)"
  buildah_build "$tag:increment" --layers
  change_jar
  note buildah-increment "$(seconds buildah_build "$tag:increment" --layers)"
}

ratio() { awk -v a="$(of "$1")" -v b="$(of "$2")" 'BEGIN { printf "%.1f", a / b }'; }

report() {
  local kind peer
  printf 'host: %s, %s processors, %s\n' "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)"
  printf 'docker %s, %s, flugs %s; Flink %s: %s MiB; %s rounds, medians in ms\n\n' \
    "$(docker version --format '{{.Server.Version}}')" "$(buildah --version)" "$("$flugs" --version)" "$version" \
    "$(du -sm "$home" | cut -f 1)" "$rounds"
  for kind in "${!times[@]}"; do printf '%-24s %8s   (%s)\n' "$kind" "$(of "$kind")" "${times[$kind]% }"; done | sort
  echo
  for peer in docker buildah; do
    printf 'against %s: full %s times (gzip), %s times (zstd); increment %s times\n' "$peer" \
      "$(ratio $peer-full flugs-gzip-full)" "$(ratio $peer-full flugs-zstd-full)" \
      "$(ratio $peer-increment flugs-gzip-increment)"
  done
  printf 'into the engine, against docker build: full %s times, increment %s times\n' \
    "$(ratio docker-full flugs-engine-full)" "$(ratio docker-increment flugs-engine-increment)"
}

sizes() {
  local layers
  layers=$("$flugs" image inspect "oci:$work/out" --json)
  printf '\nsize of the image, gzip:\n'
  python3 - "$layers" "$flugs" <<'PYTHON'
import json, os, sys
image = json.loads(sys.argv[1])[0]
mib = lambda count: f"{count / 2**20:8.2f} MiB"
for layer in image["layers"]:
    print(f"  {layer['createdBy'].split(': ')[-1]:<10} {mib(layer['size'])}")
print(f"  {'all':<10} {mib(image['size'])}")
print(f"  the binary, not compressed: {mib(os.stat(sys.argv[2]).st_size).strip()}")
PYTHON
}

main() {
  local command
  for command in docker buildah python3; do
    command -v "$command" >/dev/null || fail "$command is missing: tools/install-packages.sh bench"
  done
  [ -d "$home/lib" ] || fail "no Flink home in $home: tools/flink-home.sh $version $home"
  build_binary
  prepare
  local at
  for ((at = 0; at < rounds; at++)); do round; done
  report
  sizes
}

main
