"""An MCP server of the Python SDK that writes down what it executes.

Tools named allowed_… and forbidden_… do nothing else. `GET /executed` says, and forgets, which ran.
"""

import json
import socket

import uvicorn
from mcp import types
from mcp.server.lowlevel import Server
from starlette.responses import Response
from starlette.routing import Route

TOOLS = ["allowed_read", "allowed_note", "allowed_pay", "allowed_near", "forbidden_delete", "forbidden_wipe"]
# What allowed_near declares for headers to repeat.
DECLARED = {
    "region": {"type": "string", "x-mcp-header": "Region"},
    "count": {"type": "integer", "x-mcp-header": "Count"},
    "flag": {"type": "boolean", "x-mcp-header": "Flag"},
}
PROMPTS = ["allowed_prompt", "forbidden_prompt"]

executed = []


def note(method, target, arguments=None):
    arguments = arguments or {}
    keys, amount = list(arguments), arguments.get("amount")
    said = None if amount is None else str(amount)
    executed.append({"method": method, "target": str(target), "keys": keys, "amount": said})


async def list_tools(_context, _params):
    def schema(name):
        return {"type": "object", "properties": DECLARED if name == "allowed_near" else {}}

    return types.ListToolsResult(tools=[types.Tool(name=name, input_schema=schema(name)) for name in TOOLS])


async def call_tool(_context, params):
    if params.name not in TOOLS:
        raise ValueError("Unknown tool")
    note("tools/call", params.name, params.arguments)
    return types.CallToolResult(content=[types.TextContent(type="text", text="done")])


async def read_resource(_context, params):
    note("resources/read", params.uri)
    content = types.TextResourceContents(uri=params.uri, text="read")
    return types.ReadResourceResult(contents=[content])


async def get_prompt(_context, params):
    if params.name not in PROMPTS:
        raise ValueError("Unknown prompt")
    note("prompts/get", params.name)
    return types.GetPromptResult(messages=[])


async def say(_request):
    # In ASCII: some names are no text.
    said = Response(json.dumps(executed), media_type="application/json")
    executed.clear()
    return said


server = Server(
    "peer",
    on_list_tools=list_tools,
    on_call_tool=call_tool,
    on_read_resource=read_resource,
    on_get_prompt=get_prompt,
)
app = server.streamable_http_app(
    stateless_http=True,
    json_response=True,
    custom_starlette_routes=[Route("/executed", say)],
)
listener = socket.socket()
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
listener.bind(("127.0.0.1", 0))
print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])
