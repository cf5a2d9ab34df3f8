"""The text that `ksrpc init` writes: every key, commented, and how values get into it.

Source: docs/reference/config.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ksrpc.config.key import Location, split_key
from ksrpc.config.setting import tables, write_value

TEMPLATE = """\
# ksrpc.toml: the configuration of a ksrpc gateway. Unknown keys are errors. Paths are relative to this file.

[server]
host = "127.0.0.1"            # "0.0.0.0" serves the network; refused while access.anonymous is true
port = 8000                   # 0 = any free port, told in the ready line
# socket = "run/ksrpc.sock"   # listen on this Unix socket too; who may open the file (mode 0600) is let in
# tls_cert = "tls/cert.pem"   # speak https and wss: the certificate, with those that lead to its authority,
# tls_key = "tls/key.pem"     # and its key, which nobody else may read
# tls_client_ca = "tls/team.pem"   # let in only who shows a certificate of one of these authorities, beside the token
plaintext = false             # true = serve the network without TLS: whoever listens there reads tokens and data
public_url = ""               # the address that clients use, where it is another: "https://gateway.example"
data_dir = "data"             # tokens, kept answers, counters; made with mode 0700
modules_dir = "server"        # your own modules: each NAME.py in it can be served as NAME
time_zone = "Asia/Shanghai"   # in which a day begins and ends, and times are told
hosts = []                    # names under which browsers may reach this server, besides its addresses
origins = []                  # pages of other sites that may open WebSockets here: "https://page.example"
compression = "auto"          # "auto" = on the network, not on this machine; "always", "off"

[call]
enabled = false               # true = serve calls
timeout_s = 300               # a call that takes longer is ended by killing its worker process [s]
processes = 4                 # worker processes a module may use at the same time
queue = 4096                  # calls of one module that may wait for a process
memory_mb = 4096              # a worker process that grows over this is killed [MiB resident]
traceback = false             # true = callers see functions and line numbers of exceptions
handles = 1000                # objects that are kept on the server for one user at a time
handle_idle_s = 1800          # one that nobody used for so long is let go [s]
place = "auto"                # what worker processes may reach: "strict" = no network, "network", "open" = everything
data_roots = []               # folders and files that they may read, besides the libraries
connect_ports = [80, 443, 53] # TCP ports that "network" connects to

[cache]
enabled = true                # keep the answers of calls that ask for it (cache_expire), in data_dir/cache
max_mb = 10240                # of all answers [MiB]; the least recently used go first
max_object_mb = 2048          # of one answer [MiB]
min_free_mb = 1024            # left free on the disk [MiB]

[access]
anonymous = false             # true = no token needed; only on loopback
ip_allow = ["loopback", "private"]   # "any", "loopback", "private", or networks such as "10.1.0.0/16"
ip_block = []                 # wins over ip_allow
trusted_proxies = []          # addresses whose X-Forwarded-For is believed
connections = 1000            # WebSockets that one user may have open at a time
allow = ["demo"]              # modules, sub-modules, functions: "numpy", "os.path", "tushare.daily"
block = []                    # wins over allow
unsafe = []                   # roots without gates, such as ["os", "sys"]: whoever may call them owns the worker
services = []                 # roots to treat as services although they are toolkits
handles = true                # whoever shows a token may keep objects of the classes that [module.NAME.handles] lists

# [user.zhangsan]             # what one user may call, instead of access.allow
# allow = ["tushare", "akshare"]
# block = []
# unsafe = []
# handles = true              # instead of access.handles; anonymous callers need it in [user.anonymous]
# trade = false               # true = may call what acts on an account: orders, transfers
# quota = { rows_per_day = 2000000 }   # instead of quota.default

[quota.default]               # rows that each user may fetch; an answer from the cache costs nothing
# rows_per_day = 5000000      # of all modules together; no limit unless it is set
# module_rows_per_day = 100000000
# function_rows_per_day = 10000000

# [quota."demo.test"]         # of one module or function
# rows_per_day = 500

[audit]
enabled = true                # write down who called what and what came of it, in data_dir/audit
arguments = "digest"          # how many bytes of arguments, and a hash; "none"
file_mb = 64                  # after which another file is begun [MiB]
keep_days = 90                # after which a file is removed [days]

# [module.math]
# executor = "inline"         # "process" (default) | "inline": in the gateway itself, for cheap and trusted functions
# processes = 1               # instead of call.processes; 1 for libraries that log in
# memory_mb = 1024            # instead of call.memory_mb
# path = "my_module.py"       # a module file of your own, served under this name
# shadow = false              # true = `path` may have the name of an installed package or of the standard library
# arguments = "data"          # "data" | "any": which types its arguments may have
# place = "network"           # instead of call.place
# data_roots = ["prices"]     # instead of call.data_roots
# connect_ports = [443]       # instead of call.connect_ports
# hosts = ["api.example.com", "*.example.org:8443"]   # whom alone it asks, by HTTP or HTTPS
# parameters = { "read.path" = "path:read" }   # what an argument may be, where its name alone says too little
# secrets = ["TUSHARE_TOKEN"] # variables of the gateway's environment, for `ksrpc.secret` in this module alone

# [module.mine.handles.Account]   # a class whose instances may be kept on the server: `mine.Account`
# methods = ["balance"]       # what may be called
# attributes = ["name"]       # what may be read, if it is data
# context = false             # true = `with` enters and leaves it on the server
"""

_LINE_CHARS = 100
_HEADER = re.compile(r"(# )?\[(.+?)\]")
_ENTRY = re.compile(r"(?:# )?(\w+) = (.*?)(\s*#.*)?$")


def fill(template: str, values: Mapping[Location, Any]) -> str:
    """Put values into a template, in their places and with the comments there; those without a place at the end."""
    left, lines, table = dict(values), list[str](), tuple[str, ...]()
    for line in template.splitlines():
        if header := _HEADER.match(line):
            table = () if header[1] else split_key(header[2])
        elif table and (entry := _ENTRY.match(line)) and (*table, entry[1]) in left:
            line = _replace(entry, left.pop((*table, entry[1])))  # noqa: PLW2901
        lines.append(line)
    for name, entries in tables(left):
        lines += ["", f"[{name}]", *(f"{key} = {value}" for _, key, value in entries)]
    return "\n".join(lines) + "\n"


def _replace(entry: re.Match[str], value: Any) -> str:
    key, comment = entry[1], (entry[3] or "").strip()
    text = f"{key} = {write_value(value)}"
    if len(text) > _LINE_CHARS and isinstance(value, tuple | list):
        items = "".join(f"    {write_value(item)},\n" for item in value)
        text = f"{key} = [\n{items}]"
    gap = max(entry.end() - len(comment) - len(text), 2)  # the comments of a table stand below each other
    return f"{text}{' ' * gap}{comment}" if comment else text
