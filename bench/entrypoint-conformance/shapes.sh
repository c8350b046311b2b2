# shellcheck shell=bash disable=SC2034,SC2016
# The shapes in which people start the official image: from Flink's documents ("Docker Setup") and
# from public compose files. Sourced by bench/entrypoint-conformance.sh; see `shape` there.
nested='^(1\.(19|20)|2)\.'

variables=("FLINK_PROPERTIES=jobmanager.rpc.address: jobmanager") words=(jobmanager)
shape session-jobmanager
variables=("FLINK_PROPERTIES=jobmanager.rpc.address: jobmanager
taskmanager.numberOfTaskSlots: 2") words=(taskmanager)
shape session-taskmanager
variables=(JOB_MANAGER_RPC_ADDRESS=jobmanager) words=(jobmanager)
shape address-variable-jobmanager
variables=(JOB_MANAGER_RPC_ADDRESS=jobmanager TASK_MANAGER_NUMBER_OF_TASK_SLOTS=4) words=(taskmanager)
shape slots-variable
words=(jobmanager)
shape no-variables
variables=("FLINK_PROPERTIES=jobmanager.rpc.address: jobmanager
parallelism.default: 2")
prepare='touch usrlib/job.jar'
words=(standalone-job --job-classname com.job.ClassName --job-id 00000000000000000000000000000001 --fromSavepoint /savepoint --allowNonRestoredState --input x)
shape application
variables=("FLINK_PROPERTIES=jobmanager.rpc.address: jobmanager") words=(standalone-job -D parallelism.default=3 --job-classname com.job.ClassName)
shape application-with-settings
words=(taskmanager -D taskmanager.memory.process.size=2g -Dtaskmanager.numberOfTaskSlots=3)
shape settings-on-the-command-line
words=(jobmanager -D rest.port=8082) lines=$nested
shape jobmanager-settings
words=(jobmanager jm 8083)
shape jobmanager-host-and-port
variables=("FLINK_PROPERTIES=historyserver.archive.fs.dir: file:///tmp/archive
historyserver.web.port: 8084") words=(history-server)
shape history-server
variables=("FLINK_PROPERTIES=taskmanager.memory.process.size: 4096m
taskmanager.memory.managed.fraction: 0.1
taskmanager.memory.jvm-metaspace.size: 512m") words=(taskmanager)
shape memory
variables=("FLINK_PROPERTIES=
high-availability: zookeeper
high-availability.zookeeper.quorum: zoo:2181
high-availability.storageDir: file:///ha
high-availability.cluster-id: /one") words=(jobmanager)
shape high-availability
variables=("FLINK_PROPERTIES=state.backend: rocksdb
state.checkpoints.dir: file:///checkpoints
execution.checkpointing.interval: 10s
metrics.reporter.prom.port: 9249") words=(taskmanager)
shape checkpoints-and-metrics
variables=(JVM_ARGS=-Dfile.encoding=UTF-8 "FLINK_PROPERTIES=env.java.opts.taskmanager: -XX:+UseParallelGC") words=(taskmanager)
shape options-of-the-jvm
variables=("FLINK_PROPERTIES=env.java.opts.taskmanager: -Da=b -Dc=d
# a comment
taskmanager.numberOfTaskSlots: 2") words=(taskmanager) lines=$nested
shape properties-with-blanks
variables=(SLOTS=3 'FLINK_PROPERTIES=taskmanager.numberOfTaskSlots: ${SLOTS}') words=(taskmanager)
shape substituted-properties
prepare='jar=$(basename "$(ls opt/*.jar | head -n 1)"); variables+=("ENABLE_BUILT_IN_PLUGINS=$jar;$jar")' words=(taskmanager)
shape built-in-plugins
prepare='mkdir /mnt/conf; cp conf/* /mnt/conf/; mount --bind /mnt/conf conf; mount -o remount,bind,ro conf' words=(taskmanager)
shape read-only-conf
variables=(JOB_MANAGER_RPC_ADDRESS=jm TASK_MANAGER_NUMBER_OF_TASK_SLOTS=4)
prepare='mkdir /mnt/conf; cp conf/* /mnt/conf/; mount --bind /mnt/conf conf; mount -o remount,bind,ro conf' words=(taskmanager)
shape read-only-conf-with-variables
variables=(JOB_MANAGER_RPC_ADDRESS=jm)
prepare='printf "taskmanager.memory.process.size: 2g\n" >/mnt/file; chmod 666 /mnt/file; mount --bind /mnt/file conf/config.yaml' words=(taskmanager) lines=$nested
shape mounted-file
variables=(FLINK_CONF_DIR=/mnt/conf) prepare='mkdir /mnt/conf; cp conf/* /mnt/conf/; echo "parallelism.default: 7" >/mnt/conf/flink-conf.yaml; echo "taskmanager.memory.process.size: 2g" >>/mnt/conf/flink-conf.yaml; chmod -R 777 /mnt/conf' words=(taskmanager) lines='^1\.13'
shape another-conf-directory
prepare='rm conf/log4j* conf/logback*' words=(taskmanager)
shape conf-without-log-settings
words=(bash -c 'echo "parallelism.default: 9" >>conf/flink-conf.yaml; exec docker-entrypoint.sh taskmanager') lines='^1\.13'
shape entry-point-below-a-shell
words=(bash -c 'sed -i "s/numberOfTaskSlots: 1/numberOfTaskSlots: 6/" conf/config.yaml; exec docker-entrypoint.sh taskmanager') lines=$nested
shape edits-before-the-entry-point
variables=("FLINK_PROPERTIES=jobmanager.rpc.address: jm
rest.port: 8099") words=(jobmanager.sh start-foreground)
shape script-of-flinks
variables=("FLINK_PROPERTIES=rest.port: 8099
parallelism.default: 4") words=(flink list)
shape client
user=0:0 variables=(JOB_MANAGER_RPC_ADDRESS=jm) words=(taskmanager)
shape root
user=4711:0 variables=(JOB_MANAGER_RPC_ADDRESS=jm) words=(taskmanager)
shape user-of-group-0
user=1000680000:4711 variables=(JOB_MANAGER_RPC_ADDRESS=jm) words=(taskmanager)
shape arbitrary-user
variables=("FLINK_PROPERTIES=rest.port: 8099
parallelism.default: 4") words=(jobmanager) after='flink list'
shape client-by-docker-exec
variables=("FLINK_PROPERTIES=rest.port: 8099") user=1000680000:4711 words=(jobmanager) after='flink list'
shape client-by-docker-exec-without-write-permission
