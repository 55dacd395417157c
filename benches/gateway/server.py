# A FastMCP server with one tool: server.py PORT [JWKS ISSUER AUDIENCE]
import sys

from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier

port, *sign_in = sys.argv[1:]
auth = None
if sign_in:
    jwks, issuer, audience = sign_in
    auth = JWTVerifier(
        jwks_uri=jwks, issuer=issuer, audience=audience, algorithm="ES256", required_scopes=["mcp:read"]
    )
mcp = FastMCP("echo", auth=auth)


@mcp.tool
def echo(text: str) -> str:
    return text


mcp.run(
    transport="http",
    host="127.0.0.1",
    port=int(port),
    stateless_http=True,
    json_response=True,
    show_banner=False,
    log_level="warning",
    uvicorn_config={"access_log": False},
)
