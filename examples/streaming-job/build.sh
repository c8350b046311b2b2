#!/usr/bin/env bash
# Builds the streaming example against a Flink home: build.sh FLINK_HOME OUT.jar
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exec "$here/../java-job.sh" "${1:?FLINK_HOME}" "$here/StreamingJob.java" "${2:?OUT.jar}"
