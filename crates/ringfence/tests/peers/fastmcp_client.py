"""Plays steps against one MCP server with fastmcp; says what came of each, one JSON line each.

fastmcp_client.py STEPS COMMAND [ARGUMENT]...
fastmcp_client.py STEPS URL

STEPS is a JSON list.
"""

import asyncio
import json
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp import MCPError


def say(result):
    if hasattr(result, "model_dump"):
        result = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    print(json.dumps(result), flush=True)


async def play(client, step):
    match step["do"]:
        case "about":
            say({"protocol": client.protocol_version})
        case "tools":
            say(await client.list_tools_mcp())
        case "call":
            say(await client.call_tool_mcp(step["tool"], step["arguments"]))
        case "resources":
            say(await client.list_resources_mcp())
        case "templates":
            say(await client.list_resource_templates_mcp())
        case "read":
            say(await client.read_resource_mcp(step["uri"]))
        case "prompts":
            say(await client.list_prompts_mcp())
        case "prompt":
            say(await client.get_prompt_mcp(step["name"], step["arguments"]))
        case other:
            raise ValueError(f"no such step: {other}")


async def main():
    steps, command, *arguments = sys.argv[1:]
    if command.startswith("http://"):
        server = command
    else:
        server = StdioTransport(command, arguments, env=dict(os.environ), keep_alive=False)
    async with Client(server) as client:
        for step in json.loads(steps):
            try:
                await play(client, step)
            except MCPError as error:
                say({"error": {"code": error.error.code, "message": error.error.message}})


asyncio.run(main())
