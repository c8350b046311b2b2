#!/usr/bin/env bash
# Starts Flink in the ways that public compose files and Flink's own documents do (commands,
# variables, mounts, users), once as the official image's script does it, with Flink's own scripts,
# and once by flugs, and prints a table of what each JVM got: how much of it is the same, and what
# differs. A difference has a reason, which is in bench/entrypoint-conformance/differences.pl; one
# without a reason makes it exit 1, and so does, over all versions, a reason that nothing needs.
#
#   bench/entrypoint-conformance.sh [FLINK_VERSION…]
#
# No engine: each shape has a mount namespace of its own, with a /opt/flink like the images' and a
# Java that writes down what it is asked to run (Flink's helper JVMs are real). Needs root, unshare,
# setpriv, perl and envsubst (gettext-base).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD

rounds=1 all=(1.13.6 1.20.5 2.3.0)
versions=("${all[@]}")
. bench/arguments.sh
[ "$(id -u)" = 0 ] || { echo "$0: error: needs root, for mount namespaces" >&2 && exit 1; }
for tool in unshare setpriv perl envsubst; do
  command -v "$tool" >/dev/null || { echo "$0: error: $tool is missing" >&2 && exit 1; }
done
real_java=$(readlink -f "$(command -v java)")

# Not below /tmp, which each namespace has to itself.
work=$(mktemp -d /var/tmp/flugs-conformance.XXXXXX)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cp "$FLUGS" "$work/flugs"
flugs=$work/flugs

# A Java whose launcher runs the real one for Flink's helpers, and writes down everything else:
# its arguments, the configuration directory that it is to read, its plugins and Flink's variables.
make_java() {
  mkdir -p "$work/java/bin"
  cp "$(dirname "$(dirname "$real_java")")/release" "$work/java/"
  cat >"$work/java/bin/java" <<JAVA
#!/usr/bin/env bash
for argument in "\$@"; do
  case \$argument in
    *BashJavaUtils | -XshowSettings*) exec "$real_java" -XX:TieredStopAtLevel=1 "\$@" ;;
  esac
done
printf '%s\n' "\$@" >/mnt/record/arguments
directory=\$FLINK_CONF_DIR
previous=
for argument in "\$@"; do
  [ "\$previous" != --configDir ] || directory=\$argument
  previous=\$argument
done
cp -rL "\$directory" /mnt/record/conf 2>/dev/null || true
echo "\$directory" >/mnt/record/directory
id -u >/mnt/record/user
(cd "\${FLINK_PLUGINS_DIR:-/opt/flink/plugins}" && find -L . -name '*.jar') >/mnt/record/plugins
env | grep -E '^(FLINK_[A-Z]*_DIR|FLINK_HOME|MAX_LOG_FILE_NUMBER|ROOT_LOG_LEVEL)=' >/mnt/record/variables
JAVA
  chmod 755 "$work/java/bin/java"
}

# The home that both start from: as the images have it, with the release's jars behind links.
make_home() {
  local home=$1 slim=$work/$2/slim image=$work/$2/image
  mkdir -p "$slim"
  cp -r "$home/conf" "$home/bin" "$slim/"
  ln -s "$home/lib" "$slim/lib"
  "$flugs" install --flink "$slim" --root "$image" >/dev/null
  # What of Flink's scripts the images change is for them to show on their side alone.
  cp "$home/bin/config.sh" "$work/$2/config.sh"
}

# Runs in a namespace of its own: lays the place out, prepares it, and enters.
#   enter official|flugs VERSION SHAPE
enter() {
  local way=$1 version=$2 record=$work/$2/$3/$1 home
  home=$(readlink -f "$HOMES/$version")
  mkdir -p "$record"
  chmod 777 "$record"
  mount -t tmpfs tmpfs /opt
  mkdir -p /opt/flink/lib /opt/flink/opt /opt/java /opt/user
  mount --bind "$home/lib" /opt/flink/lib
  [ ! -d "$home/opt" ] || mount --bind "$home/opt" /opt/flink/opt
  mount --bind "$work/java" /opt/java
  cp -r "$work/$version/image/opt/flink/"{bin,conf,log,plugins,usrlib} /opt/flink/
  [ "$way" = flugs ] || cp "$work/$version/config.sh" /opt/flink/bin/config.sh
  chown -R 9999:0 /opt/flink/{bin,conf,log,plugins,usrlib}
  chmod -R g=u /opt/flink/{bin,conf,log,plugins,usrlib}
  chmod 1777 /opt/user
  cp /etc/passwd "$record/passwd"
  grep -q '^flink:' "$record/passwd" || echo 'flink:x:9999:9999::/opt/flink:/bin/sh' >>"$record/passwd"
  mount --bind "$record/passwd" /etc/passwd
  echo '127.0.0.1 localhost
10.0.0.2 box' >"$record/hosts"
  mount --bind "$record/hosts" /etc/hosts
  hostname box
  mount -t tmpfs -o mode=1777 tmpfs /tmp
  mount -t tmpfs tmpfs /run
  mkdir -m 1777 /run/flugs
  mount -t tmpfs tmpfs /mnt
  mkdir -m 777 /mnt/record
  chmod 777 /mnt /mnt/record
  cp "$root/bench/entrypoint-conformance/official.sh" /opt/user/official.sh
  cp "$flugs" /opt/user/flugs
  case $way in
    official) printf '#!/bin/sh\nexec bash /opt/user/official.sh "$@"\n' ;;
    flugs) printf '#!/bin/sh\nexec /opt/user/flugs entrypoint docker "$@"\n' ;;
  esac >/opt/user/docker-entrypoint.sh
  chmod 755 /opt/user/*
  cd /opt/flink
  eval "$prepare"
  local as=()
  [ -z "$user" ] || as=(setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups)
  set +e
  "${as[@]}" env -i PATH="/opt/flink/bin:/opt/java/bin:/opt/user:/usr/sbin:/usr/bin:/sbin:/bin" \
    LC_ALL=C.UTF-8 JAVA_HOME=/opt/java FLINK_HOME=/opt/flink DISABLE_JEMALLOC=true HOSTNAME=box \
    "${variables[@]}" /opt/user/docker-entrypoint.sh "${words[@]}" >"$record/log" 2>&1 </dev/null
  echo $? >"$record/code"
  if [ -n "$after" ]; then
    # What `docker exec` finds in the running container.
    rm -rf /mnt/record/*
    "${as[@]}" env -i PATH="/opt/flink/bin:/opt/java/bin:/usr/bin:/bin" LC_ALL=C.UTF-8 \
      JAVA_HOME=/opt/java FLINK_HOME=/opt/flink HOSTNAME=box "${variables[@]}" \
      bash -c "$after" >>"$record/log" 2>&1 </dev/null
  fi
  cp -r /mnt/record/. "$record/"
}

# The settings of a configuration directory, one `key=value` a line, as Flink's own loader has
# them; before 1.19, as its lines say.
flattened() {
  local version=$1 conf=$2 home=$HOMES/$1
  case $version in
    1.1[0-8].*)
      perl -ne '$set{$1} = $2 if /^\s*([^#\s][^#]*?): +([^#]*?)\s*(#.*)?$/;
        END { print "$_=$set{$_}\n" for keys %set }' "$conf/flink-conf.yaml"
      ;;
    *) "$real_java" -XX:TieredStopAtLevel=1 -cp "$home/bin/bash-java-utils.jar:$(echo "$home"/lib/flink-dist*.jar)" \
      org.apache.flink.runtime.util.bash.BashJavaUtils UPDATE_AND_GET_FLINK_CONFIGURATION \
      --configDir "$conf" -flatten 2>/dev/null |
      perl -ne 'if (s/^BASH_JAVA_UTILS_EXEC_RESULT://) { s/^([^:]+): /$1=/; s/=(["\x27])(.*)\1$/=$2/; print }' ;;
  esac | sort
}

# Runs `shape`'s $name in $version one way.
run() {
  local way=$1
  local record=$work/$version/$name/$way
  mkdir -p "$record"
  (
    export -f enter
    export work root flugs real_java HOMES prepare user after
    declare -p words variables >"$record/arrays"
    unshare --mount --uts --propagation private bash -euc ". '$record/arrays'
      enter $way $version $name"
  ) || { echo "$name ($version): the namespace for $way failed" >&2 && exit 1; }
  if [ -d "$record/conf" ]; then flattened "$version" "$record/conf" >"$record/settings"; fi
}

failed=0
# shape NAME: runs it both ways in every version, with what is set:
#   words, variables, user, prepare, after (a command of `docker exec`), lines (versions)
shape() {
  local name=$1 version
  for version in "${versions[@]}"; do
    [[ $version =~ $lines ]] || continue
    run official &
    run flugs
    wait $! || exit 1
    perl bench/entrypoint-conformance/differences.pl "$name" "$version" "$work/$version/$name" \
      "$work/used" || failed=1
  done
  words=() variables=() user=9999:0 prepare='' after='' lines=.
}

main() {
  make_java
  local version
  for version in "${versions[@]}"; do make_home "$(readlink -f "$HOMES/$version")" "$version"; done
  echo "| shape | Flink | JVM | the same | differences |"
  echo "|---|---|---|---|---|"
  words=() variables=() user=9999:0 prepare='' after='' lines=.
  . bench/entrypoint-conformance/shapes.sh
  if [ "${versions[*]}" = "${all[*]}" ]; then
    perl bench/entrypoint-conformance/differences.pl --unused "$work/used" || failed=1
  fi
  [ "$failed" = 0 ] || { echo "There are differences without a reason, or reasons without a difference." >&2 && exit 1; }
}

main
