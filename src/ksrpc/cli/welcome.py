"""What a new user is sent: how to call this gateway from a shell, from Python and from R. Holds no secret.

Source: docs/howto/serve-a-team.md.
"""

from __future__ import annotations

from ksrpc.cli.address import client_urls, is_loopback
from ksrpc.config import Config
from ksrpc.model import Rules

_TEXT = """\
for {name}, to paste; the token is asked for once and stands in no program:

  shell
    pip install 'ksrpc[client]'
    ksrpc login {url}
    ksrpc call {path}

  Python, a notebook
    import ksrpc
    gw = ksrpc.connect("{url}")
    gw.module("{module}").{function}()

  R, with KSRPC_TOKEN=ksr_… in ~/.Renviron
    library(httr2)
    request("{url}/v1/call/{path}") |>
      req_auth_bearer_token(Sys.getenv("KSRPC_TOKEN")) |>
      req_perform() |> resp_body_string() |> read.csv(text = _)

  anything else
    curl -H "Authorization: Bearer $KSRPC_TOKEN" {url}/v1/call/{path}
"""
_LOCAL = """\
Only this machine reaches the gateway there: server.host = "0.0.0.0" serves the network; server.public_url names a
proxy in front.
"""
_FUNCTION = "FUNCTION"


def write_welcome(settings: Config, name: str) -> str:
    """Return the text for a user."""
    module, _, function = _choose_path(settings.rules_for(name)).rpartition(".")
    url = client_urls(settings)[0]
    text = _TEXT.format(name=name, url=url, path=f"{module}.{function}", module=module, function=function)
    return text if settings.server.public_url or not is_loopback(settings.server.host) else f"{text}\n{_LOCAL}"


def _choose_path(rules: Rules) -> str:
    """Return something that the user may call: with `demo` it works as it stands."""
    if "demo" in rules.allow and not any(name.startswith("demo") for name in rules.block):
        return "demo.test"
    opened = [name for name in rules.allow if name != "*"]
    named = [name for name in opened if "." in name]
    return f"{opened[0]}.{_FUNCTION}" if opened and not named else named[0] if named else f"MODULE.{_FUNCTION}"
