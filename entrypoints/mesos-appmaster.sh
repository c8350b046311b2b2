#!/bin/sh
# The application master of a session, as Flink 1.2 to 1.13 had it.
# Flink is where this script is, unless FLINK_HOME says otherwise.
here=$(dirname "$0")/..
if [ -z "${FLINK_HOME:-}" ] && [ -d "$here/lib" ]; then export FLINK_HOME="$here"; fi
exec "${FLUGS:-flugs}" entrypoint mesos-appmaster "$@"
