"""An MCP server on standard streams, without an SDK, for what real ones never do.

odd_server.py [fork] [--noted FILE]

`echo` answers, `hang` never does and writes FILE when it is called. With `fork` it leaves a
grandchild behind that has nothing to do with it any more: its own session, no parent, no streams.
"""

import json
import os
import sys
import time


def fork_twice():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for stream in (0, 1, 2):
                os.close(stream)
            time.sleep(1_000_000)
        os._exit(0)
    os.wait()


def answer(request, noted):
    match request["method"]:
        case "initialize":
            return {
                "protocolVersion": request["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "odd", "version": "1"},
            }
        case "tools/list":
            schema = {"type": "object"}
            return {"tools": [{"name": name, "inputSchema": schema} for name in ("echo", "hang", "buy")]}
        case "tools/call" if request["params"]["name"] == "hang":
            with open(noted, "w"):
                pass
            return None
        case "tools/call":
            return {"content": [{"type": "text", "text": request["params"]["name"]}]}
        case _:
            return {}


def main():
    arguments = sys.argv[1:]
    noted = arguments[arguments.index("--noted") + 1] if "--noted" in arguments else os.devnull
    if "fork" in arguments:
        fork_twice()
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue
        result = answer(request, noted)
        if result is not None:
            print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)


main()
