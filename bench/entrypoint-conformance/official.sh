# shellcheck shell=bash
# The work of the official image's entry point, by Flink's own scripts: the address, the ports,
# the slots and FLINK_PROPERTIES are set in conf for every command; plugins are linked; then
# Flink's script of the role, or the command as it stands. As its releases have it: with lines of
# flink-conf.yaml up to 1.18, with Flink's config parser from 1.19 on.
conf=$FLINK_HOME/conf
address=${JOB_MANAGER_RPC_ADDRESS:-$(hostname)}

set_line() {
  if grep -q "^[ ]*$1:" "$conf/flink-conf.yaml"; then
    sed -i "s|^[ ]*$1:.*|$1: $2|" "$conf/flink-conf.yaml"
  else
    echo "$1: $2" >>"$conf/flink-conf.yaml"
  fi
}

parse() {
  "$FLINK_HOME/bin/config-parser-utils.sh" "$conf" "$FLINK_HOME/bin" "$FLINK_HOME/lib" "$@"
}

link_plugins() {
  local jar
  for jar in ${ENABLE_BUILT_IN_PLUGINS//;/ }; do
    mkdir -p "$FLINK_HOME/plugins/${jar%.jar}"
    [ -e "$FLINK_HOME/opt/$jar" ] || exit 1
    ln -fs "$FLINK_HOME/opt/$jar" "$FLINK_HOME/plugins/${jar%.jar}/$jar"
  done
}

link_plugins
if [ -x "$FLINK_HOME/bin/config-parser-utils.sh" ]; then
  settings=(-D "jobmanager.rpc.address=$address" -D blob.server.port=6124 -D query.server.port=6125)
  [ -z "${TASK_MANAGER_NUMBER_OF_TASK_SLOTS:-}" ] ||
    settings+=(-D "taskmanager.numberOfTaskSlots=$TASK_MANAGER_NUMBER_OF_TASK_SLOTS")
  parse "${settings[@]}"
  settings=()
  while IFS=: read -r key value; do
    key=${key//[[:space:]]/} value=$(envsubst <<<"${value//[[:space:]]/}")
    [ -z "$key" ] || settings+=(-D "$key=$value")
  done <<<"${FLINK_PROPERTIES:-}"
  [ ${#settings[@]} -eq 0 ] || parse "${settings[@]}"
else
  set_line jobmanager.rpc.address "$address"
  set_line blob.server.port 6124
  set_line query.server.port 6125
  [ -z "${TASK_MANAGER_NUMBER_OF_TASK_SLOTS:-}" ] ||
    set_line taskmanager.numberOfTaskSlots "$TASK_MANAGER_NUMBER_OF_TASK_SLOTS"
  [ -z "${FLINK_PROPERTIES:-}" ] || echo "$FLINK_PROPERTIES" >>"$conf/flink-conf.yaml"
  envsubst <"$conf/flink-conf.yaml" >/tmp/substituted && cat /tmp/substituted >"$conf/flink-conf.yaml"
fi

as=()
[ "$(id -u)" != 0 ] || as=(setpriv --reuid 9999 --regid 9999 --clear-groups)
role=$1
shift
case $role in
  jobmanager | taskmanager | standalone-job)
    exec "${as[@]}" "$FLINK_HOME/bin/$role.sh" start-foreground "$@"
    ;;
  history-server) exec "${as[@]}" "$FLINK_HOME/bin/historyserver.sh" start-foreground "$@" ;;
  *) exec "${as[@]}" "$role" "$@" ;;
esac
