"""An issuer of tokens, and the SDK's client in front of a server that takes them.

Says where the issuer is, reads the server's address, and says with which algorithms a token is
taken, then how the client came in that knew nothing but the address. One JSON object a line.
"""

import asyncio
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

RSA = rsa.generate_private_key(65537, 2048)
KEYS = {
    "RS256": ("rsa", RSA),
    "PS256": ("rsa", RSA),
    "ES256": ("p256", ec.generate_private_key(ec.SECP256R1())),
    "ES384": ("p384", ec.generate_private_key(ec.SECP384R1())),
    "EdDSA": ("ed25519", ed25519.Ed25519PrivateKey.generate()),
    "HS256": ("rsa", b"a secret that both sides would have to share"),
}
SERIALIZERS = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "ES384": ECAlgorithm, "EdDSA": OKPAlgorithm}
ASKED = {}


def key_set():
    keys = []
    for algorithm, serializer in SERIALIZERS.items():
        name, key = KEYS[algorithm]
        keys.append({**serializer.to_jwk(key.public_key(), as_dict=True), "kid": name, "use": "sig"})
    return {"keys": keys}


def token(issuer, algorithm, audience):
    name, key = KEYS[algorithm]
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "sub": "peer", "email": "dana@acme.example", "scope": "mcp"}
    headers = {"kid": name, "typ": "at+jwt"}
    return jwt.encode({**claims, "iat": now, "exp": now + 300}, key, algorithm=algorithm, headers=headers)


class Issuer(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, status, document, location=None):
        body = json.dumps(document).encode()
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        asked = urlsplit(self.path)
        if asked.path == "/keys":
            self.answer(200, key_set())
        elif asked.path == "/.well-known/oauth-authorization-server":
            here = self.origin
            self.answer(200, {
                "issuer": here,
                "authorization_endpoint": f"{here}/authorize",
                "token_endpoint": f"{here}/token",
                "registration_endpoint": f"{here}/register",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "token_endpoint_auth_methods_supported": ["none"],
            })
        elif asked.path == "/authorize":
            ASKED.update(parse_qsl(asked.query))
            back = urlencode({"code": "c", "state": ASKED["state"], "iss": self.origin})
            self.answer(302, {}, f"{ASKED['redirect_uri']}?{back}")
        else:
            self.answer(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/register":
            self.answer(201, {**json.loads(body), "client_id": "peer"})
        else:
            resource = dict(parse_qsl(body))["resource"]
            access = token(self.origin, "ES256", resource)
            self.answer(200, {"access_token": access, "token_type": "Bearer", "expires_in": 300})


class Memory:
    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def say(document):
    print(json.dumps(document), flush=True)


def taken(issuer, url):
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}
    accept = "application/json, text/event-stream"

    def status(algorithm):
        shown = f"Bearer {token(issuer, algorithm, url)}"
        return httpx2.post(url, json=hello, headers={"Authorization": shown, "Accept": accept}).status_code

    return {algorithm: status(algorithm) for algorithm in KEYS}


async def come_in(url):
    back = {}

    async def browse(page):
        async with httpx2.AsyncClient() as browser:
            answer = await browser.get(page, follow_redirects=False)
            back.update(parse_qsl(urlsplit(answer.headers["location"]).query))

    async def came_back():
        return AuthorizationCodeResult(code=back["code"], state=back["state"], iss=back["iss"])

    metadata = OAuthClientMetadata(
        client_name="peer",
        redirect_uris=["http://127.0.0.1:1/callback"],
        grant_types=["authorization_code"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )
    provider = OAuthClientProvider(url, metadata, Memory(), browse, came_back)
    async with create_mcp_http_client(auth=provider) as http:
        async with streamable_http_client(url, http_client=http) as streams:
            async with ClientSession(streams[0], streams[1]) as session:
                await session.initialize()
                tools = [tool.name for tool in (await session.list_tools()).tools]
    return {"tools": tools, "resource": ASKED["resource"], "scope": ASKED["scope"]}


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    issuer = f"http://127.0.0.1:{server.server_port}"
    say({"issuer": issuer})
    url = sys.stdin.readline().strip()
    say(taken(issuer, url))
    say(asyncio.run(come_in(url)))


main()
