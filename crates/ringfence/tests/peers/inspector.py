"""Plays steps against one MCP server with the inspector's command line, which starts anew for each;
says what came of each, one JSON line each.

inspector.py NODE INSPECTOR STEPS COMMAND [ARGUMENT]...
inspector.py NODE INSPECTOR STEPS URL

STEPS is a JSON list.
"""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

METHODS = {
    "tools": "tools/list",
    "call": "tools/call",
    "resources": "resources/list",
    "templates": "resources/templates/list",
    "read": "resources/read",
    "prompts": "prompts/list",
    "prompt": "prompts/get",
}


def words(step):
    yield from ("--method", METHODS[step["do"]])
    if "tool" in step:
        yield from ("--tool-name", step["tool"], "--tool-args-json", json.dumps(step["arguments"]))
    if "uri" in step:
        yield from ("--uri", step["uri"])
    if "name" in step:
        yield from ("--prompt-name", step["name"])
        for name, value in step["arguments"].items():
            yield from ("--prompt-args", f"{name}={value}")


def main():
    node, inspector, steps, command, *arguments = sys.argv[1:]
    if command.startswith("http://"):
        server = {"type": "streamable-http", "url": command}
    else:
        # It gives servers little of its own environment.
        server = {"command": command, "args": arguments, "env": dict(os.environ)}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump({"mcpServers": {"peer": server}}, config)
        config.flush()
        command = [node, inspector, "--cli", "--quiet", "--format", "json", "--config", config.name]

        def play(step):
            ended = subprocess.run(
                [*command, "--server", "peer", *words(step)],
                env={**os.environ, "MCP_INSPECTOR_SECRET_STORE": "memory"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            # What failed is told on its standard error, as JSON too.
            return json.loads(ended.stdout or ended.stderr)

        # Side by side: each waits for two seconds until its server has ended.
        with ThreadPoolExecutor(8) as several:
            for said in several.map(play, json.loads(steps)):
                print(json.dumps(said), flush=True)


main()
