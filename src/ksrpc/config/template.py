"""The text that `ksrpc init` writes: every key, commented."""

TEMPLATE = """\
# ksrpc.toml: the configuration of a ksrpc gateway. Unknown keys are errors. Paths are relative to this file.

[server]
host = "127.0.0.1"            # "0.0.0.0" serves the network; refused while access.anonymous is true
port = 8000                   # 0 = any free port, told in the ready line
data_dir = "data"             # tokens; made with mode 0700
hosts = []                    # names under which browsers may reach this server, besides its addresses

[call]
enabled = false               # true = serve calls
timeout_s = 300               # a call that takes longer is ended by killing its worker process [s]
processes = 4                 # worker processes a module may use at the same time
queue = 4096                  # calls of one module that may wait for a process
memory_mb = 4096              # a worker process that grows over this is killed [MiB resident]
traceback = false             # true = callers see the traceback on the server

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
allow = ["demo"]              # modules, sub-modules, functions: "numpy", "os.path", "tushare.daily"
block = []                    # wins over allow
unsafe = []                   # roots without gates, such as ["os", "sys"]: whoever may call them owns the worker
services = []                 # roots to treat as services although they are toolkits

# [user.zhangsan]             # what one user may call, instead of access.allow
# allow = ["tushare", "akshare"]
# block = []
# unsafe = []

# [module.math]
# executor = "inline"         # "process" (default) | "inline": in the gateway itself, for cheap and trusted functions
# processes = 1               # instead of call.processes; 1 for libraries that log in
# memory_mb = 1024            # instead of call.memory_mb
# path = "my_module.py"       # a module file of your own, served under this name
# arguments = "data"          # "data" | "any": which types its arguments may have
"""
