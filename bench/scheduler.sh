#!/usr/bin/env bash
# What the scheduler for Mesos costs by itself, without network, store and master: CPU time from
# workers that are wanted to ACCEPTs that are sent, for 100 to 10,000 workers, and memory for each
# task that runs. Prints the host and Markdown tables; exit code 1 if a target is missed.
#
#   bench/scheduler.sh
#
# Builds benches/scheduler.rs (release) if that is not built yet.
set -euo pipefail
cd "$(dirname "$0")/.."

load() { cut -d ' ' -f 1 /proc/loadavg; }

program=$(cargo bench --quiet --bench scheduler --no-run --message-format json |
  python3 -c 'import json, sys
made = [json.loads(line) for line in sys.stdin]
# The program itself is built along with it.
print([one["executable"] for one in made if one.get("target", {}).get("name") == "scheduler"][-1])')

printf 'Host: %s, %s CPUs, Linux %s, load at the start %s\n\n' \
  "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(nproc)" "$(uname -r)" "$(load)"
missed=0
"$program" || missed=1

# A process of its own for each figure: what the allocator keeps from earlier rounds is no task's.
printf '\n| workers | resident bytes per running task | its record as JSON, bytes | beyond that |\n|---|---|---|---|\n'
for workers in 1000 10000 50000; do
  read -r bytes record < <("$program" memory "$workers")
  beyond=$((bytes - record))
  printf '| %s | %s | %s | %s |\n' "$workers" "$bytes" "$record" "$beyond"
  # A thousand tasks share what a process of any size needs.
  [ "$workers" -lt 10000 ] || [ "$beyond" -lt 2048 ] || missed=1
done
printf '\nLoad at the end %s\n' "$(load)"
exit "$missed"
