#!/usr/bin/env bash
# mesoshttp 0.4.2 (PyPI), a client of Mesos' v1 scheduler API.
#
# Guess: a framework's callback runs when the master has sent the event.
# Seen:  the client splits the stream at line breaks. RecordIO puts one *after a length*, none after a
#        record, so a record is only taken when the length of the next one has come. Each event is
#        handled one record late: the subscription is noticed with the first offer, and on a quiet
#        master an offer waits for the next heartbeat (15 s). The script's master sends SUBSCRIBED, waits
#        3 s, and sends a heartbeat.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" install -q --disable-pip-version-check mesoshttp==0.4.2
timeout 60 "$work/python/bin/python" - <<'PYTHON'
import importlib.metadata
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mesoshttp.client import MesosClient

PAUSE = 3.0
sent = {}
handled = {}


class Master(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def chunk(self, event):
        body = json.dumps(event).encode()
        record = b"%d\n%s" % (len(body), body)
        self.wfile.write(b"%x\r\n%s\r\n" % (len(record), record))
        self.wfile.flush()
        sent[event["type"]] = time.monotonic()

    def do_POST(self):
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if call["type"] != "SUBSCRIBE":
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Mesos-Stream-Id", "8a4b6d1e-0000-4000-8000-000000000001")
        self.end_headers()
        self.chunk({"type": "SUBSCRIBED", "subscribed": {
            "framework_id": {"value": "f-0001"}, "heartbeat_interval_seconds": 15.0}})
        time.sleep(PAUSE)
        self.chunk({"type": "HEARTBEAT"})
        time.sleep(PAUSE)


server = ThreadingHTTPServer(("127.0.0.1", 0), Master)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = MesosClient(mesos_urls=["http://127.0.0.1:%d" % server.server_port], frameworkName="finding")


def subscribed(driver):
    handled["SUBSCRIBED"] = time.monotonic()


client.on(MesosClient.SUBSCRIBED, subscribed)
threading.Thread(target=client.register, daemon=True).start()
while "SUBSCRIBED" not in handled:
    time.sleep(0.05)
late = handled["SUBSCRIBED"] - sent["SUBSCRIBED"]
print("mesoshttp", importlib.metadata.version("mesoshttp"))
print("SUBSCRIBED handled %.1f s after it was sent; the next record was sent %.1f s after it"
      % (late, sent["HEARTBEAT"] - sent["SUBSCRIBED"]), flush=True)
os._exit(0 if late >= PAUSE - 0.1 else 1)
PYTHON
echo 'as stated'
