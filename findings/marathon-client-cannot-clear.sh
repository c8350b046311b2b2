#!/usr/bin/env bash
# marathon 0.13.0 (PyPI, the Python client of Mesosphere's scheduler; its last release).
#
# Guess: an application with `labels={}`, `env={}` or `args=[]` says so in the request of an update,
#        which clears what was there.
# Seen:  to_json() is minimal unless told otherwise and leaves every empty list, empty map and None
#        out, so the request names none of them; zero and False do stay. to_json(minimal=False) is no way out: it names every field
#        that was never set, as null or empty.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" install -q --disable-pip-version-check marathon==0.13.0
"$work/python/bin/python" - <<'PYTHON'
import importlib.metadata
import json
import sys
from marathon.models import MarathonApp

print("marathon", importlib.metadata.version("marathon"))
app = MarathonApp(id="/flink", labels={}, env={}, args=[], cmd=None, instances=0, require_ports=False)
sent = json.loads(app.to_json())
whole = json.loads(app.to_json(minimal=False))
print("minimal:", sent)
print("not minimal:", len(whole), "fields, of them null or empty:", sum(v in (None, [], {}) for v in whole.values()))
if sent != {"id": "/flink", "instances": 0, "requirePorts": False} or len(whole) < 30:
    sys.exit("changed")
PYTHON
echo 'as stated'
