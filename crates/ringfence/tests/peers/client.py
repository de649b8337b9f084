"""Plays steps against one MCP server with the Python SDK; says what came of each, one JSON line each.

client.py STEPS COMMAND [ARGUMENT]...
client.py STEPS URL

STEPS is a JSON list. The step `hold` says that it is there and waits for its input to end.
"""

import json
import os
import sys

import anyio
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters


def say(result):
    if hasattr(result, "model_dump"):
        result = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    print(json.dumps(result), flush=True)


async def cancelled(client, step):
    """A call that is given up at its first sign of progress."""
    with anyio.CancelScope() as scope:

        async def progress(*_):
            scope.cancel()

        say(await client.call_tool(step["tool"], step["arguments"], progress_callback=progress))
    if scope.cancelled_caught:
        say({"cancelled": True})


async def called(client, step):
    told = []

    async def progress(done, total, _message):
        told.append([done, total])

    result = await client.call_tool(
        step["tool"], step["arguments"], progress_callback=progress if step.get("progress") else None
    )
    say(result)
    if step.get("progress"):
        say({"progress": told})


async def play(client, step):
    match step["do"]:
        case "about":
            say({"protocol": client.session.protocol_version})
        case "tools":
            say(await client.list_tools())
        case "call":
            await called(client, step)
        case "cancel":
            await cancelled(client, step)
        case "resources":
            say(await client.list_resources())
        case "templates":
            say(await client.list_resource_templates())
        case "read":
            say(await client.read_resource(step["uri"]))
        case "prompts":
            say(await client.list_prompts())
        case "prompt":
            say(await client.get_prompt(step["name"], step["arguments"]))
        case "hold":
            say({"holding": True})
            await anyio.to_thread.run_sync(sys.stdin.read)
        case other:
            raise ValueError(f"no such step: {other}")


async def main():
    steps, command, *arguments = sys.argv[1:]
    if command.startswith("http://"):
        server = command
    else:
        server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    async with Client(server, mode=os.environ.get("PEER_MODE", "auto")) as client:
        for step in json.loads(steps):
            try:
                await play(client, step)
            except MCPError as error:
                say({"error": {"code": error.error.code, "message": error.error.message}})


anyio.run(main)
