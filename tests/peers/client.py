"""The Python client, through the whole of MCP's authorization flow.

client.py MCP_URL VERSION|auto PERSON prints as JSON what the client saw. Where there is `count_notes`, that is
progress and a cancellation, too.
"""

import asyncio
import json
import sys
import uuid
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import mcp.client.session
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

CALLBACK = "http://127.0.0.1:8976/callback"
MCP, VERSION, PERSON = sys.argv[1:]


class Application:
    """What an application gives the SDK: a place to keep things, and a browser."""

    def __init__(self):
        self.tokens = None
        self.registration = None
        self.asked = []
        self.back = {}

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.registration

    async def set_client_info(self, registration):
        self.registration = registration

    async def redirect(self, page):
        query = parse_qs(urlsplit(page).query)
        self.asked.append({name: query.get(name, [None])[0] for name in ("scope", "resource")})
        async with httpx2.AsyncClient() as http:
            url = httpx2.URL(page).copy_add_param("login_hint", PERSON)
            for _ in range(10):
                answer = await http.get(url)
                url = url.join(answer.headers["location"])
                if str(url).startswith(CALLBACK):
                    self.back = dict(url.params)
                    return
        raise RuntimeError("the browser is led in circles")

    async def callback(self):
        back = self.back
        return AuthorizationCodeResult(
            code=back["code"], state=back.get("state"), iss=back.get("iss")
        )


def text(result):
    """The text of an answer; a tool's error is an answer too."""
    return result.content[0].text


async def beyond(client):
    """Progress of a call, and the end of one that is cancelled once it runs."""
    progress, key = [], str(uuid.uuid4())

    async def note(done, _total, _message):
        progress.append(done)

    counted = text(await client.call_tool("count_notes", {}, progress_callback=note))
    with anyio.CancelScope() as scope:

        async def enough(*_):
            scope.cancel()

        await client.call_tool("wait_for_notes", {"key": key}, progress_callback=enough)
    waited = "cancelled" if scope.cancelled_caught else "answered"
    # The others go on.
    after = text(await client.call_tool("read_note", {"title": "welcome"}))
    return {"progress": progress, "counted": counted, "key": key, "waited": waited, "after": after}


async def main():
    application = Application()
    metadata = OAuthClientMetadata(
        client_name="peers",
        redirect_uris=[CALLBACK],
        token_endpoint_auth_method="none",
        grant_types=["authorization_code"],
        response_types=["code"],
    )
    auth = OAuthClientProvider(
        MCP, metadata, application, application.redirect, application.callback
    )
    mode = VERSION
    if VERSION < "2026":
        mode = "legacy"
        # It always offers its newest revision. It speaks the others, if the server chooses them.
        mcp.client.session.LATEST_HANDSHAKE_VERSION = VERSION
    async with httpx2.AsyncClient(auth=auth, timeout=120) as http:
        async with Client(streamable_http_client(MCP, http_client=http), mode=mode) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            read = text(await client.call_tool("read_note", {"title": "welcome"}))
            try:
                hidden = "answered: " + text(await client.call_tool("purge_notes", {}))
            except Exception as error:
                hidden = str(error)
            note = {"title": "lunch", "text": "Soup today."}
            added = text(await client.call_tool("add_note", note))
            beside = await beyond(client) if "count_notes" in tools else {}
    asked, more = application.asked
    report = {"asked": asked, "tools": tools, "read": read, "hidden": hidden}
    print(json.dumps(report | {"more": more, "added": added} | beside))


asyncio.run(main())
