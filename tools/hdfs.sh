#!/usr/bin/env bash
# A real HDFS on this machine, for tests: a NameNode and a DataNode of Hadoop 2.7.3, plain or with
# a Kerberos of its own (Debian: krb5-kdc, krb5-admin-server, krb5-user).
#
# Hadoop's servers are in the source package of PySpark 2.4.8 on PyPI, among the jars of Spark.
# They run on Java 11 to 23 (JAVA_HOME, else java on the PATH) and listen on the loopback only.
set -euo pipefail

usage() {
  cat <<'USAGE'
Usage: tools/hdfs.sh jars JARS                     makes JARS: Hadoop's jars and what they need
       tools/hdfs.sh start [--kerberos] JARS DIR   starts an HDFS that lives in DIR, prints its URI
       tools/hdfs.sh fs JARS DIR ARGUMENT…         runs `hadoop fs` on it, with Kerberos as flink
       tools/hdfs.sh stop DIR                      stops it; another start finds its files again

DIR/conf is Hadoop's configuration for clients. With Kerberos, DIR/krb5.conf and DIR/flink.keytab
(principal flink@EXAMPLE.ORG) are for clients, too.
Exit codes: 0 done, 64 wrong usage, 65 wrong digest, 1 anything else.
USAGE
}

readonly package=pyspark-2.4.8.tar.gz
readonly package_sha256=3a19b71b8dc8dd91ebc943604a05e1ab01bce052456d42937035632d852d78dc
readonly realm=EXAMPLE.ORG
# Where the servers listen that nobody needs to know.
readonly anywhere=127.0.0.1:0

# Of the 220 jars in the package, those that the two servers and their clients load.
readonly needed_jars=(
  hadoop-common-2.7.3 hadoop-hdfs-2.7.3 hadoop-auth-2.7.3
  commons-cli-1.2 commons-codec-1.10 commons-collections-3.2.2 commons-configuration-1.6
  commons-io-2.4 commons-lang-2.6 commons-logging-1.1.3 guava-14.0.1
  htrace-core-3.1.0-incubating jackson-core-asl-1.9.13 jackson-mapper-asl-1.9.13
  javax.servlet-api-3.1.0 javax.ws.rs-api-2.0.1 jetty-6.1.26 jetty-util-6.1.26
  log4j-1.2.17 netty-all-4.1.47.Final protobuf-java-2.5.0 slf4j-api-1.7.16
  slf4j-log4j12-1.7.16 xmlenc-0.52
)

# For check_digest and pip_download.
# shellcheck source=/dev/null
source "$(dirname "${BASH_SOURCE[0]}")/flink-home.sh"

say() { printf 'hdfs: %s\n' "$*"; }
fail() {
  local code=$1
  shift
  printf 'hdfs: error: %s\n' "$*" >&2
  exit "$code"
}

have_jars() {
  local jar
  for jar in "${needed_jars[@]}"; do [ -f "$1/$jar.jar" ] || return 1; done
}

make_jars() {
  jars=$(realpath -m "$1")
  if have_jars "$jars"; then
    say "Hadoop's jars are in $jars"
    return
  fi
  if [ -n "$(ls -A "$jars" 2>/dev/null)" ]; then
    fail 1 "$jars exists and holds something else. Name another directory or remove it."
  fi
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/flugs
  mkdir -p "$cache" "$(dirname "$jars")"
  # Two runs must not write one cache file: the second waits for the first.
  exec 9>"$cache/.lock" 3>&1
  flock 9
  work=$(mktemp -d "$(dirname "$jars")/.hdfs.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  if ! check_digest sha256 "$package_sha256" "$cache/$package"; then
    rm -f "$cache/$package"
    say "downloading $package (220 MB) into $cache"
    printf 'pyspark==2.4.8 --hash=sha256:%s\n' "$package_sha256" >"$work/requirements.txt"
    pip_download "$package"
  fi
  unpack_jars
}

unpack_jars() {
  say "unpacking $package"
  mkdir "$work/jars"
  local members=("${needed_jars[@]/%/.jar}")
  tar -xzf "$cache/$package" -C "$work/jars" --strip-components=3 --no-same-owner \
    "${members[@]/#/pyspark-2.4.8/deps/jars/}"
  # The rename makes the directory appear whole or not at all.
  if [ -d "$jars" ]; then rmdir "$jars"; fi
  mv -T "$work/jars" "$jars"
  say "Hadoop's jars are in $jars"
}

# Ports that nobody listens on now. Nothing keeps others from taking them; the start fails then.
free_ports() {
  python3 -c 'import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*[socket.getsockname()[1] for socket in sockets])' "$1"
}

# Lines "key value" to one of Hadoop's configuration files.
write_site() {
  local key value
  {
    echo '<configuration>'
    while read -r key value; do
      printf '  <property><name>%s</name><value>%s</value></property>\n' "$key" "$value"
    done
    echo '</configuration>'
  } >"$1"
}

write_configuration() {
  local port kdc_port
  read -r port kdc_port < <(free_ports 2)
  # The web servers look for these on the class path and want nothing in them.
  mkdir -p "$dir/conf" "$dir/logs" "$dir"/server/webapps/{hdfs,datanode,static}
  cat >"$dir/server/log4j.properties" <<'LOG'
log4j.rootLogger=INFO, all
log4j.appender.all=org.apache.log4j.ConsoleAppender
log4j.appender.all.target=System.err
log4j.appender.all.layout=org.apache.log4j.PatternLayout
log4j.appender.all.layout.ConversionPattern=%d %p %c{2}: %m%n
LOG
  if [ "$kerberos" = yes ]; then make_realm "$kdc_port"; fi
  hdfs_settings | write_site "$dir/conf/hdfs-site.xml"
  core_settings "$port" | write_site "$dir/conf/core-site.xml"
}

core_settings() {
  echo "fs.defaultFS hdfs://localhost:$1"
  if [ "$kerberos" = yes ]; then
    echo 'hadoop.security.authentication kerberos'
    echo 'hadoop.security.authorization true'
  fi
}

hdfs_settings() {
  cat <<SETTINGS
dfs.replication 1
dfs.namenode.name.dir file://$dir/name
dfs.datanode.data.dir file://$dir/data
dfs.namenode.http-address $anywhere
dfs.datanode.address $anywhere
dfs.datanode.ipc.address $anywhere
dfs.datanode.http.address $anywhere
dfs.webhdfs.enabled false
dfs.permissions.enabled false
dfs.namenode.safemode.extension 0
SETTINGS
  [ "$kerberos" = yes ] || return 0
  # One principal for both servers: the NameNode takes only an administrator's DataNode.
  cat <<SETTINGS
dfs.namenode.keytab.file $dir/server.keytab
dfs.namenode.kerberos.principal nn/localhost@$realm
dfs.datanode.keytab.file $dir/server.keytab
dfs.datanode.kerberos.principal nn/localhost@$realm
dfs.web.authentication.kerberos.principal HTTP/localhost@$realm
dfs.web.authentication.kerberos.keytab $dir/server.keytab
dfs.block.access.token.enable true
ignore.secure.ports.for.testing true
SETTINGS
}

make_realm() {
  cat >"$dir/krb5.conf" <<REALM
[libdefaults]
  default_realm = $realm
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  $realm = {
    kdc = 127.0.0.1:$1
  }
[domain_realm]
  localhost = $realm
REALM
  cat >"$dir/kdc.conf" <<KDC
[kdcdefaults]
  kdc_listen = 127.0.0.1:$1
  kdc_tcp_listen = 127.0.0.1:$1
[realms]
  $realm = {
    database_name = $dir/kdc/principal
    key_stash_file = $dir/kdc/stash
    supported_enctypes = aes256-cts:normal aes128-cts:normal
  }
KDC
  mkdir -p "$dir/kdc"
  {
    # A realm for one test: its master key protects nothing.
    kdb5_util -P "$realm" create -s -r "$realm"
    kadmin.local -q 'addprinc -randkey nn/localhost'
    kadmin.local -q 'addprinc -randkey HTTP/localhost'
    kadmin.local -q 'addprinc -randkey flink'
    kadmin.local -q "ktadd -k $dir/server.keytab nn/localhost HTTP/localhost"
    kadmin.local -q "ktadd -k $dir/flink.keytab flink"
  } >"$dir/logs/realm.log" 2>&1 || fail 1 "no realm could be made, see $dir/logs/realm.log"
}

# What every JVM and program of this HDFS is started with.
set_environment() {
  jars=$(realpath "$1") dir=$(realpath -m "$2")
  have_jars "$jars" || fail 1 "Hadoop's jars are not in $jars: run tools/hdfs.sh jars $jars"
  kerberos=no
  if [ -f "$dir/krb5.conf" ]; then kerberos=yes; fi
  java=(java)
  if [ -n "${JAVA_HOME:-}" ]; then java=("$JAVA_HOME/bin/java"); fi
  java+=(-Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1)
  java+=(-Djava.net.preferIPv4Stack=true "-Djava.security.krb5.conf=$dir/krb5.conf")
  # Hadoop 2.7 asks the JDK's own classes for the realm.
  java+=(--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED)
  java+=(-cp "$dir/conf:$dir/server:$jars/*")
  export KRB5_CONFIG=$dir/krb5.conf KRB5_KDC_PROFILE=$dir/kdc.conf KRB5CCNAME=FILE:$dir/tickets
}

# launch NAME COMMAND…: away from this terminal and without its lock.
launch() {
  local name=$1
  shift
  setsid "$@" </dev/null >"$dir/logs/$name.log" 2>&1 9>&- &
  echo $! >"$dir/$name.pid"
}

start() {
  local wants=no
  if [ "${1:-}" = --kerberos ]; then wants=yes && shift; fi
  [ $# -eq 2 ] || { usage >&2; fail 64 'start needs JARS and DIR'; }
  set_environment "$1" "$2"
  if [ ! -f "$dir/conf/core-site.xml" ]; then
    kerberos=$wants
    write_configuration
  fi
  if [ "$kerberos" = yes ]; then launch kdc krb5kdc -n; fi
  if [ ! -d "$dir/name" ]; then
    "${java[@]}" org.apache.hadoop.hdfs.server.namenode.NameNode -format -nonInteractive \
      >"$dir/logs/format.log" 2>&1 || fail 1 "the NameNode formats nothing, see $dir/logs/format.log"
  fi
  launch namenode "${java[@]}" org.apache.hadoop.hdfs.server.namenode.NameNode
  launch datanode "${java[@]}" org.apache.hadoop.hdfs.server.datanode.DataNode
  wait_until_ready
  sed -n 's|.*<name>fs.defaultFS</name><value>\(.*\)</value>.*|\1|p' "$dir/conf/core-site.xml"
}

# The NameNode takes files as soon as it has answered a DataNode's report.
wait_until_ready() {
  local end=$((SECONDS + 120)) name
  until grep -q 'Got finalize command' "$dir/logs/datanode.log"; do
    for name in namenode datanode; do
      kill -0 "$(<"$dir/$name.pid")" 2>/dev/null || {
        tail -n 5 "$dir/logs/$name.log" >&2
        fail 1 "the $name has ended, see $dir/logs/$name.log"
      }
    done
    [ "$SECONDS" -lt "$end" ] || fail 1 "no HDFS within 120 s, see $dir/logs"
    sleep 0.2
  done
}

run_fs() {
  [ $# -ge 3 ] || { usage >&2; fail 64 'fs needs JARS, DIR and what to do'; }
  set_environment "$1" "$2"
  shift 2
  if [ "$kerberos" = yes ]; then kinit -k -t "$dir/flink.keytab" flink; fi
  exec "${java[@]}" org.apache.hadoop.fs.FsShell "$@"
}

stop() {
  local name pid
  for name in datanode namenode kdc; do
    [ -f "$1/$name.pid" ] || continue
    pid=$(<"$1/$name.pid")
    kill "$pid" 2>/dev/null || true
    # Its link is gone as soon as it has ended, whoever has yet to hear of it.
    while [ -e "/proc/$pid/exe" ]; do sleep 0.1; done
    rm -f "$1/$name.pid"
  done
}

main() {
  PATH=$PATH:/usr/sbin:/sbin
  local command=${1:-}
  case $command:$# in
    -h:* | --help:*) usage ;;
    jars:2) make_jars "$2" ;;
    start:*) shift && start "$@" ;;
    fs:*) shift && run_fs "$@" ;;
    stop:2) stop "$2" ;;
    *) usage >&2; fail 64 'which command?' ;;
  esac
}

main "$@"
