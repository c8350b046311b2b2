/*
 * The two instruments of startup.sh, told apart by the name they are called by.
 *
 * java     stands in JAVA_HOME/bin. The JVM of a server (its main class is among the arguments) is
 *          not started: the time is recorded and the stub ends, so that what was measured is the
 *          way to it. Every other JVM is a helper of Flink's scripts and runs for real.
 * measure  runs a command and prints the seconds from just before its start until `java` recorded,
 *          and the CPU seconds of all its descendants.
 *
 * Compiled with -DREAL_JAVA="…" (the JVM for helpers) and -DRECORD="…" (the file between the two).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void give_up(const char *what) {
    perror(what);
    exit(1);
}

static int java(char **argv) {
    double started = now();
    for (char **word = argv; *word; word++) {
        if (strcmp(*word, "org.apache.flink.runtime.taskexecutor.TaskManagerRunner") == 0 ||
            strcmp(*word, "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint") == 0) {
            FILE *record = fopen(RECORD, "w");
            if (!record || fprintf(record, "%.9f\n", started) < 0 || fclose(record))
                give_up(RECORD);
            return 0;
        }
    }
    execv(REAL_JAVA, argv);
    give_up(REAL_JAVA);
    return 1;
}

static double seconds(struct timeval time) { return time.tv_sec + time.tv_usec / 1e6; }

static int measure(char **command) {
    unlink(RECORD);
    /* A descendant that loses its parent comes here, so that its time is counted too. */
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) give_up("prctl");
    double started = now();
    pid_t child = fork();
    if (child < 0) give_up("fork");
    if (child == 0) {
        execvp(command[0], command);
        give_up(command[0]);
    }
    while (wait(NULL) > 0 || errno == EINTR) {
    }
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    double recorded;
    FILE *record = fopen(RECORD, "r");
    if (!record || fscanf(record, "%lf", &recorded) != 1) {
        fprintf(stderr, "measure: %s started no server JVM\n", command[0]);
        return 1;
    }
    printf("%.6f %.6f\n", recorded - started, seconds(used.ru_utime) + seconds(used.ru_stime));
    return 0;
}

int main(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/');
    if (strcmp(slash ? slash + 1 : argv[0], "java") == 0) return java(argv);
    if (argc < 2) {
        fprintf(stderr, "usage: measure COMMAND [ARGUMENT]...\n");
        return 64;
    }
    return measure(argv + 1);
}
