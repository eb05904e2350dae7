"""A mail server for tests: told in JSON what to do, it tells in JSON what it got, a line each.

It ends when its input does.
"""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


def tell(**what):
    print(json.dumps(what), flush=True)


class Handler:
    """Answers as the script has it: a reply, "hang" or "break"; the default is yes."""

    def __init__(self, script, pipelining):
        self.script = script
        self.pipelining = pipelining

    async def answer(self, server, stage, default):
        scripted = self.script.get(stage, default)
        if scripted == "hang":
            tell(stage=stage)
            await asyncio.sleep(3600)
        if scripted == "break":
            tell(stage=stage)
            server.transport.abort()
            return "421 broken off"
        return scripted

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        if self.pipelining:
            responses.insert(1, "250-PIPELINING")
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):
        # The client has not waited for the answer to this.
        session.is_ahead = bool(server._reader._buffer)
        # A connection may be good for one mail only.
        again = hasattr(session, "had_mail") and "again" in self.script
        answer = await self.answer(server, "again" if again else "mail", "250 ok")
        if answer.startswith("2"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = await self.answer(server, "rcpt", "250 ok")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):
        tell(
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            data=envelope.content.decode("utf-8", "surrogateescape"),
            tls=session.ssl is not None,
            user=session.auth_data,
            peer=session.peer[1],
            ahead=session.is_ahead,
        )
        session.had_mail = True
        return await self.answer(server, "data", "250 ok")


def authenticator(user, password):
    def check(server, session, envelope, mechanism, given):
        tell(tried=given.login.decode())
        right = (given.login, given.password) == (user.encode(), password.encode())
        return AuthResult(success=right, handled=False, auth_data=given.login.decode())

    return check


async def main():
    what = json.loads(sys.stdin.readline())
    context = None
    if "certificate" in what:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(what["certificate"], what["key"])
        if what.get("old"):
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    implicit = bool(what.get("implicit"))
    options = {"enable_SMTPUTF8": True, "decode_data": False, "hostname": "relay.example"}
    if context and not implicit:
        options |= {"tls_context": context, "require_starttls": True}
    if "user" in what:
        options |= {
            "authenticator": authenticator(what["user"], what["password"]),
            "auth_required": True,
            "auth_require_tls": bool(context) and not implicit,
        }
    handler = Handler(what.get("script", {}), what.get("pipelining", False))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, **options),
        "127.0.0.1",
        0,
        ssl=context if implicit else None,
    )
    tell(port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
