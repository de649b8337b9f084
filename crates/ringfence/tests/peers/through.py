"""Runs a client with Ringfence between it and a server over HTTP.

through.py RINGFENCE FOLDER CLIENT... URL

FOLDER has the policy; whatever this run leaves goes into a folder of its own beneath. The client is
given the gateway's URL instead of the server's, and its exit code is this program's.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ringfence, folder, *client, url = sys.argv[1:]
data = tempfile.mkdtemp(dir=folder)
config = Path(data, "ringfence.yaml")
settings = {
    "apiVersion": "ringfence/v1",
    "kind": "Gateway",
    "policies": f"{folder}/policy.yaml",
    "listen": "127.0.0.1:0",
    "anonymous": "spiffe://acme.example/peer",
    # One scenario sends null for what its tool declares to be a boolean, which is refused unless told.
    "servers": {"suite": {"url": url, "schema": "warn"}},
}
config.write_text(json.dumps(settings))
up = subprocess.Popen(
    [ringfence, "--config", config, "--data", f"{data}/data", "--json", "up"],
    stdout=subprocess.PIPE,
    text=True,
)
try:
    served = json.loads(up.stdout.readline())["servers"][0]["url"]
    ended = subprocess.run([*client, served])
finally:
    up.terminate()
    up.wait()
sys.exit(ended.returncode)
