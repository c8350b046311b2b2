#!/usr/bin/env bash
# Assembles a complete Flink distribution ("Flink home") in a directory.
#
# Without --from the parts come from the two source packages that Flink's own
# project publishes on PyPI: apache-flink-libraries (lib, opt, plugins,
# licenses) and apache-flink (bin, conf). Together they hold what the release
# tarball holds, except the optional jars in opt/ (file systems, CEP, Gelly …;
# since 1.17 also the SQL gateway, without which bin/sql-client.sh does not
# start) and the Java examples. Every file is pinned by its SHA-256 below.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: tools/flink-home.sh VERSION DIR
       tools/flink-home.sh VERSION DIR --from TARBALL|URL --sha512|--sha256 HEX

Makes DIR a complete Flink home of VERSION. A complete one is left as it is.
Without --from, VERSION is one of 1.13.6, 1.20.5, 2.3.0 (from PyPI, pinned).
With --from, it is taken from an Apache release tarball with the given digest.

Downloads are kept in ${XDG_CACHE_HOME:-~/.cache}/flugs, so a retry is cheap.
Exit codes: 0 done, 64 wrong usage, 65 wrong digest, 1 anything else.
USAGE
}

say() { printf 'flink-home: %s\n' "$*"; }
fail() {
  local code=$1
  shift
  printf 'flink-home: error: %s\n' "$*" >&2
  exit "$code"
}

# VERSION -> lines "project file sha256", as the index lists them.
pinned_files() {
  case $1 in
    1.13.6) cat <<'FILES'
apache-flink apache-flink-1.13.6.tar.gz 2fe887ec30c988164aca6e16cab4c96dce0f616ceded9ee399dd196dd4d28b02
apache-flink-libraries apache-flink-libraries-1.13.6.tar.gz 2834e022cd64864d570021562aaf84412c69ca34f6731c17453e04bba3db3efc
FILES
      ;;
    1.20.5) cat <<'FILES'
apache-flink apache_flink-1.20.5.tar.gz 7d3f1ebd2ee6aa4fb06ed71d61a65aa6ed0e5b7f11d542cd06f95734c3470c38
apache-flink-libraries apache_flink_libraries-1.20.5.tar.gz e6aee62ea1a1fe7b32e28894ad079f3f1a50a372a4caac3df52405267f4228c8
FILES
      ;;
    2.3.0) cat <<'FILES'
apache-flink apache_flink-2.3.0.tar.gz 47ded5aea434b4b6db3e010cbd6893afcde3eda36cbb07e0260f868f56d370f7
apache-flink-libraries apache_flink_libraries-2.3.0.tar.gz 570bf8831d3c1336311e924e97119e52d8842e5485a4a7709ff9a92db709b006
FILES
      ;;
    *) return 1 ;;
  esac
}

parse_arguments() {
  version='' home='' from='' algorithm='' digest=''
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --from) from=${2:-}; shift ;;
      --sha256 | --sha512) algorithm=${1#--} digest=${2:-}; shift ;;
      -*) usage >&2; fail 64 "unknown option: $1" ;;
      *)
        if [ -z "$version" ]; then version=$1
        elif [ -z "$home" ]; then home=$1
        else usage >&2; fail 64 "one argument too many: $1"; fi ;;
    esac
    shift || { usage >&2; fail 64 'an option lacks its value'; }
  done
  if [ -z "$home" ]; then usage >&2; fail 64 'VERSION and DIR are needed'; fi
  if [ -n "$from" ]; then
    check_digest_argument
  elif [ -n "$digest" ]; then
    fail 64 "--$algorithm belongs to --from: the packages' digests are pinned in this script"
  elif ! pinned_files "$version" >/dev/null; then
    fail 64 "no packages are pinned for Flink $version (pinned: 1.13.6, 1.20.5, 2.3.0); use --from with a release tarball"
  fi
}

# A tarball without a digest is not accepted: nothing else says what it should be.
check_digest_argument() {
  local length=64
  [ "$algorithm" = sha512 ] && length=128
  digest=${digest,,}
  [[ $digest =~ ^[0-9a-f]+$ && ${#digest} -eq $length ]] ||
    fail 64 "--from needs --sha512 or --sha256 with the tarball's digest in hexadecimal (found: '$digest')"
}

# Prints what keeps DIR from being a complete home of the version; nothing if it is one.
lacks() {
  local dir=$1 dist path
  dist=$(find "$dir/lib" -maxdepth 1 -name 'flink-dist*.jar' -printf '%f\n' 2>/dev/null | head -n 1)
  if [ -z "$dist" ]; then
    echo 'lib/flink-dist*.jar'
  elif [[ $dist != flink-dist*-"$version".jar ]]; then
    echo "flink-dist of version $version (found lib/$dist)"
  fi
  for path in bin/bash-java-utils.jar plugins LICENSE; do
    [ -e "$dir/$path" ] || echo "$path"
  done
  for path in bin/config.sh bin/jobmanager.sh bin/taskmanager.sh bin/sql-client.sh; do
    [ -x "$dir/$path" ] || echo "$path (executable)"
  done
  [ -e "$dir/conf/config.yaml" ] || [ -e "$dir/conf/flink-conf.yaml" ] ||
    echo 'conf/config.yaml or conf/flink-conf.yaml'
  compgen -G "$dir/opt/flink-sql-client*.jar" >/dev/null || echo 'opt/flink-sql-client*.jar'
}

# Nothing is ever added to a directory that holds something else.
refuse_foreign_directory() {
  [ -e "$home" ] || return 0
  if [ ! -d "$home" ]; then fail 1 "$home exists and is not a directory"; fi
  if [ -z "$(lacks "$home")" ]; then
    say "$home is a complete home of Flink $version"
    exit 0
  fi
  if [ -n "$(ls -A "$home")" ]; then
    fail 1 "$home exists and is no complete home of Flink $version; it lacks: $(lacks "$home" | paste -sd ';' | sed 's/;/; /g'). Name another directory or remove it."
  fi
}

# check_digest ALGORITHM HEX FILE
check_digest() {
  [ -f "$3" ] && [ "$("${1}sum" "$3" | cut -d ' ' -f 1)" = "$2" ]
}

# Fetches the version's packages into the cache, whichever are not there.
download_packages() {
  local project file sha256 missing=no
  while read -r project file sha256; do
    check_digest sha256 "$sha256" "$cache/$file" && continue
    missing=yes
    rm -f "$cache/$file"
    printf '%s==%s --hash=sha256:%s\n' "$project" "$version" "$sha256" >>"$work/requirements.txt"
  done < <(pinned_files "$version")
  if [ "$missing" = no ]; then
    say "the packages of Flink $version are in $cache"
    return
  fi
  say "downloading the packages of Flink $version (about 200 to 350 MB) into $cache"
  pip_download "the packages of Flink $version"
}

# pip fetches the source packages that $work/requirements.txt lists: it knows the
# user's index, proxy, certificates and credentials, and it checks the digests. It
# wants a package's metadata too and would run the package's setup.py for it; the
# stand-in build backend below answers from PKG-INFO, so that nothing out of a
# package is run.
pip_download() {
  python3 -m pip --version >/dev/null 2>&1 ||
    fail 1 'python3 with pip is needed (Debian: apt-get install python3-pip)'
  write_stand_in_backend "$work/backend"
  local bar=off
  [ -t 1 ] && bar=on
  mkdir "$work/pip"
  TMPDIR="$work/pip" PYTHONPATH="$work/backend" SETUPTOOLS_USE_DISTUTILS=stdlib \
    python3 -m pip --disable-pip-version-check --no-cache-dir download \
    --progress-bar "$bar" --no-deps --no-binary :all: --use-pep517 --no-build-isolation \
    --ignore-requires-python --require-hashes -r "$work/requirements.txt" -d "$cache" >&3 2>"$work/pip.err" ||
    explain_pip_failure "$1"
}

explain_pip_failure() {
  cat "$work/pip.err" >&2
  if grep -q 'DO NOT MATCH THE HASHES' "$work/pip.err"; then
    fail 65 "of $1, one that was downloaded has a wrong digest; nothing was kept"
  fi
  fail 1 "pip could not download $1"
}

write_stand_in_backend() {
  mkdir -p "$1/setuptools"
  : >"$1/setuptools/__init__.py"
  cat >"$1/setuptools/build_meta.py" <<'PYTHON'
import email, os, shutil, sys

__legacy__ = sys.modules[__name__]


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(directory, config_settings=None):
    with open("PKG-INFO", encoding="utf-8") as file:
        info = email.message_from_file(file)
    name = "{}-{}.dist-info".format(info["Name"].replace("-", "_"), info["Version"])
    os.mkdir(os.path.join(directory, name))
    shutil.copy("PKG-INFO", os.path.join(directory, name, "METADATA"))
    return name
PYTHON
}

# Both packages keep the distribution's parts below deps/.
assemble_from_packages() {
  local project file sha256
  while read -r project file sha256; do
    check_digest sha256 "$sha256" "$cache/$file" ||
      fail 65 "$cache/$file has a wrong digest (expected sha256 $sha256)"
    say "unpacking $file"
    mkdir "$work/$project"
    tar -xzf "$cache/$file" -C "$work/$project" --strip-components=1 --no-same-owner
  done < <(pinned_files "$version")
  local libraries=$work/apache-flink-libraries scripts=$work/apache-flink
  mv "$libraries/deps" "$work/home"
  mv "$scripts"/deps/bin/* "$work/home/bin/"
  mv "$scripts/deps/conf" "$work/home/conf"
  mkdir -p "$work/home/examples" "$work/home/log"
  mv "$scripts/deps/examples" "$work/home/examples/python"
  local notice
  for notice in LICENSE NOTICE README.txt; do
    # 1.13.6 ships no NOTICE of its own; its jars hold theirs.
    if [ -f "$libraries/$notice" ]; then mv "$libraries/$notice" "$work/home/"; fi
  done
}

assemble_from_tarball() {
  local tarball=$from
  if [[ $from =~ ^(https?|file):// ]]; then
    tarball=$cache/${digest:0:16}-$(basename "${from%%\?*}")
    download_tarball "$tarball"
  fi
  [ -f "$tarball" ] || fail 1 "no such tarball: $tarball"
  say "checking the $algorithm digest of $tarball"
  if ! check_digest "$algorithm" "$digest" "$tarball"; then
    local found
    found=$("${algorithm}sum" "$tarball" | cut -d ' ' -f 1)
    # A wrong download is of no use to a retry; the user's own file is theirs.
    if [ "$tarball" != "$from" ]; then rm -f "$tarball"; fi
    fail 65 "$from has a wrong digest: expected $algorithm $digest, found $found"
  fi
  say "unpacking $tarball"
  mkdir "$work/home"
  tar -xzf "$tarball" -C "$work/home" --strip-components=1 --no-same-owner
}

# A download broken off is resumed; only a whole file gets the final name.
download_tarball() {
  check_digest "$algorithm" "$digest" "$1" && { say "the tarball is in $cache"; return; }
  say "downloading $from into $cache"
  local progress=--silent
  [ -t 1 ] && progress=--progress-bar
  curl --fail --location --show-error --retry 3 "$progress" --continue-at - --output "$1.part" "$from" >&3 ||
    fail 1 "could not download $from (what has arrived is kept; run again to go on)"
  mv "$1.part" "$1"
}

publish() {
  # The packages were built without regard to modes: bin/ holds scripts to run.
  find "$work/home/bin" -type f ! -name '*.jar' ! -name '*.bat' -exec chmod 755 {} +
  chmod -R u+rwX,go+rX,go-w "$work/home"
  local missing
  missing=$(lacks "$work/home")
  [ -z "$missing" ] || fail 1 "what was unpacked is no complete home of Flink $version; it lacks: $missing"
  if [ -d "$home" ]; then rmdir "$home"; fi
  # The rename makes the home appear whole or not at all.
  mv -T "$work/home" "$home"
  say "Flink $version is in $home ($(du -sh "$home" | cut -f 1))"
}

main() {
  parse_arguments "$@"
  home=$(realpath -m "$home")
  refuse_foreign_directory
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/flugs
  mkdir -p "$cache" "$(dirname "$home")"
  # Two runs must not write one cache file: the second waits for the first.
  exec 9>"$cache/.lock" 3>&1
  flock 9
  refuse_foreign_directory
  # Beside DIR, so that the last step is a rename within one file system.
  work=$(mktemp -d "$(dirname "$home")/.flink-home.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if [ -n "$from" ]; then
    assemble_from_tarball
  else
    download_packages
    assemble_from_packages
  fi
  publish
}

# tools/hdfs.sh takes the functions that fetch from here.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "$@"; fi
