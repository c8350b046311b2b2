#!/usr/bin/env bash
# marathon 0.13.0 (PyPI, the Python client of Mesosphere's scheduler; its last release), Python 3.10
# or newer.
#
# Guess: a client that installs and imports on this Python can send an application with health checks.
# Seen:  MarathonApp.to_json works for plain applications ({"id", "cmd", "instances"}), so a first try
#        looks well. Whatever the client has a class of its own for (health checks, port definitions,
#        constraints, upgrade strategy, secrets in env) raises AttributeError: module 'collections' has no
#        attribute 'Iterable'. And an application that Marathon 1.10 returned with one of its own newer
#        fields (resourceLimits, tty, executorResources) cannot even be read: TypeError.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" install -q --disable-pip-version-check marathon==0.13.0
"$work/python/bin/python" - <<'PYTHON'
import importlib.metadata
import sys
from marathon.models import MarathonApp

print("marathon", importlib.metadata.version("marathon"), "on Python", sys.version.split()[0])
cases = [
    ({"cmd": "sleep 60", "instances": 1}, "OK"),
    ({"networks": [{"mode": "host"}]}, "OK"),
    ({"healthChecks": [{"protocol": "MESOS_HTTP", "path": "/readyz"}]}, "AttributeError"),
    ({"portDefinitions": [{"port": 0, "name": "rest"}]}, "AttributeError"),
    ({"constraints": [["hostname", "UNIQUE"]]}, "AttributeError"),
    ({"upgradeStrategy": {"minimumHealthCapacity": 0}}, "AttributeError"),
    ({"resourceLimits": {"cpus": 1.0, "mem": 64}}, "TypeError"),
    ({"tty": True}, "TypeError"),
]
changed = False
for fields, stated in cases:
    try:
        seen, text = "OK", MarathonApp.from_json({"id": "/flink", **fields}).to_json()
    except Exception as error:
        seen, text = type(error).__name__, str(error)
    print(f"{next(iter(fields)):16} {seen:15} {text}")
    changed |= seen != stated
sys.exit("changed" if changed else 0)
PYTHON
echo 'as stated'
