"""A server of the Python SDK, which speaks 2026-07-28 to who asks for it and 2025-11-25 to others."""

from mcp.server import MCPServer

app = MCPServer("modern")


@app.tool()
def echo(text: str) -> str:
    """Says it again."""
    return text


@app.resource("demo://a")
def a() -> str:
    return "A"


app.run("stdio")
