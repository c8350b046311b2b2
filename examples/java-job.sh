#!/usr/bin/env bash
# Compiles one Java source file against a Flink home and packs it as a job jar
# whose main class is named after the file: javac and jar, no build tool.
set -euo pipefail

if [ $# -ne 3 ]; then
  echo 'Usage: examples/java-job.sh FLINK_HOME SOURCE.java OUT.jar' >&2
  exit 64
fi
home=$1 source=$2 out=$3
java_bin=${JAVA_HOME:+$JAVA_HOME/bin/}
for tool in javac jar; do
  command -v "$java_bin$tool" >/dev/null || {
    echo "java-job: error: $java_bin$tool not found: a JDK is needed, not a runtime alone (Debian: apt-get install openjdk-17-jdk-headless)" >&2
    exit 1
  }
done
compgen -G "$home/lib/flink-dist*.jar" >/dev/null || {
  echo "java-job: error: $home is no Flink home: it has no lib/flink-dist*.jar" >&2
  exit 1
}
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
# Java 11 is the oldest that Flink 2 runs on; a newer class file would shut out
# clusters that run it.
"${java_bin}javac" --release 11 -Xlint:-options -nowarn -encoding UTF-8 \
  -classpath "$home/lib/*" -d "$classes" "$source"
mkdir -p "$(dirname "$out")"
# Made aside and renamed: a job jar is whole or absent.
"${java_bin}jar" --create --file "$out.new" --main-class "$(basename "$source" .java)" -C "$classes" .
mv "$out.new" "$out"
