"""A synchronous client that calls an ASGI application without a network."""

import asyncio

import httpx

TOKEN = "a-token-for-tests"


class Client:
    """Sends the token unless told otherwise; ``json`` and ``content`` as in httpx."""

    def __init__(self, app, token=TOKEN):
        self.app = app
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def request(self, method, path, *, headers=None, **options):
        return asyncio.run(self.arequest(method, path, headers=headers, **options))

    async def arequest(self, method, path, *, headers=None, **options):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, headers={**self._headers, **(headers or {})}, **options)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, *, content=None, json=None, headers=None):
        if isinstance(content, bytes | str):
            headers = {"Content-Type": "application/json", **(headers or {})}
        return self.request("POST", path, content=content, json=json, headers=headers)
