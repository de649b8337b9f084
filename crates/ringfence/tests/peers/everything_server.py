"""The everything-server that the Python SDK tests itself with, on standard streams or over HTTP.

everything_server.py FOLDER [--http]

FOLDER is the server's own. Over HTTP it listens on a port that is free; the first line says which.
"""

import socket
import sys

folder, *over_http = sys.argv[1:]
sys.path.insert(0, folder)

from mcp_everything_server.server import event_store, mcp  # noqa: E402

if over_http == ["--http"]:
    import uvicorn

    app = mcp.streamable_http_app(event_store=event_store, retry_interval=100)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
else:
    mcp.run("stdio")
