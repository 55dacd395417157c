"""A notebook on the Python SDK, for the gateway to stand before.

notebook.py JWKS_URL ISSUER AUDIENCE
notebook.py piped FILE

It keeps sessions for revisions that have them, verifies who the gateway says is calling, reports
progress, and can be cancelled. `GET /seen` says which headers came, which tools ran, and which calls
were cancelled; on pipes, the file does.
"""

import asyncio
import json
import socket
import sys

import jwt
import uvicorn
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from starlette.responses import Response
from starlette.routing import Route

PIPED = sys.argv[1] == "piped"
if PIPED:
    FILE = sys.argv[2]
else:
    JWKS, ISSUER, AUDIENCE = sys.argv[1:]
    KEYS = jwt.PyJWKClient(JWKS)

TOOLS = {
    "list_notes": [],
    "read_note": ["title"],
    "add_note": ["title", "text"],
    "purge_notes": [],
    "count_notes": [],
    "wait_for_notes": ["key"],
}

seen = {"headers": [], "ran": [], "cancelled": []}


def note(kind, what):
    seen[kind].append(what)
    if PIPED:
        with open(FILE, "a") as file:
            file.write(json.dumps([kind, what]) + "\n")


def caller(assertion):
    """Who the gateway says is calling."""
    key = KEYS.get_signing_key_from_jwt(assertion)
    rules = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ["ES256"]}
    return jwt.decode(assertion, key, **rules)["sub_id"]["sub"]


async def list_tools(_context, _params):
    def tool(name, arguments):
        properties = {argument: {"type": "string"} for argument in arguments}
        return types.Tool(name=name, input_schema={"type": "object", "properties": properties})

    return types.ListToolsResult(tools=[tool(*entry) for entry in TOOLS.items()])


async def run(context, name, arguments):
    match name:
        case "list_notes":
            return "welcome"
        case "read_note":
            return "The text of welcome."
        case "add_note":
            # On pipes it says nothing: each caller has a process of their own.
            who = "somebody"
            if not PIPED:
                assertion = context.request.headers["x-portcullis-assertion"]
                who = await asyncio.to_thread(caller, assertion)
            return f'added "{arguments["title"]}" by {who}'
        case "purge_notes":
            return "deleted 1 note"
        case "count_notes":
            for done in [1, 2, 3]:
                await context.session.report_progress(done, 3)
            return "counted 3 notes"
        case "wait_for_notes":
            await context.session.report_progress(1, 3)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                note("cancelled", arguments["key"])
                raise


async def call_tool(context, params):
    if params.name not in TOOLS:
        raise ValueError("Unknown tool")
    note("ran", params.name)
    text = await run(context, params.name, params.arguments or {})
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


async def say(_request):
    return Response(json.dumps(seen), media_type="application/json")


server = Server("notebook", on_list_tools=list_tools, on_call_tool=call_tool)


async def piped():
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


def http():
    app = server.streamable_http_app(custom_starlette_routes=[Route("/seen", say)])

    async def watched(scope, receive, send):
        if scope["type"] == "http" and scope["path"] != "/seen":
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
            seen["headers"].append(headers)
        await app(scope, receive, send)

    listener = socket.socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.bind(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    uvicorn.Server(uvicorn.Config(watched, log_level="critical")).run(sockets=[listener])


if PIPED:
    asyncio.run(piped())
else:
    http()
