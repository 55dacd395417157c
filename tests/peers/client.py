"""The Python client, through the whole of MCP's authorization flow.

client.py MCP_URL VERSION PERSON prints as JSON what the client saw.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
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
    mode = "legacy" if VERSION == "2025-11-25" else VERSION
    async with httpx2.AsyncClient(auth=auth, timeout=20) as http:
        async with Client(streamable_http_client(MCP, http_client=http), mode=mode) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            read = text(await client.call_tool("read_note", {"title": "welcome"}))
            try:
                hidden = "answered: " + text(await client.call_tool("purge_notes", {}))
            except Exception as error:
                hidden = str(error)
            note = {"title": "lunch", "text": "Soup today."}
            added = text(await client.call_tool("add_note", note))
    asked, more = application.asked
    report = {"asked": asked, "tools": tools, "read": read, "hidden": hidden}
    print(json.dumps(report | {"more": more, "added": added}))


asyncio.run(main())
