"""Every bound in one place, with its unit. Nothing from outside is read, inflated, nested or kept without one.

Source: docs/spec/wire.md "Limits", docs/spec/protocol.md "Limits".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class WireLimits:
    """Bound one encoded value; checked before anything is allocated."""

    message_bytes: int
    head_bytes: int
    buffers: int
    chunk_bytes: int = 16 * MIB  # a compressed chunk, raw
    plain_chunk_bytes: int = GIB  # an uncompressed chunk
    least_chunk_bytes: int = 4 * KIB  # on the average, but for the last chunk of each buffer
    spare_chunks: int = 1024  # and so many that may be smaller
    hashed_items: int = 100_000  # set items, non-str keys: their hashes can be made to collide
    range_level: int = 1 << 24  # RangeIndex as level, categories or interval side
    elements: int = 1 << 31  # of one array
    ndim: int = 64
    item_bytes: int = GIB
    struct_fields: int = 1024
    bigint_bytes: int = 4096
    decimal_chars: int = 5000
    depth: int = 200
    inline_array_bytes: int = 2 * KIB  # arrays up to this travel inside the head
    inline_bytes: int = 64 * KIB  # so do bytes


#: What a caller may send.
REQUEST = WireLimits(message_bytes=256 * MIB, head_bytes=4 * MIB, buffers=4096, hashed_items=10_000)
#: What a library may answer.
RESULT = WireLimits(message_bytes=4 * GIB, head_bytes=64 * MIB, buffers=65_536)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bound one session of the call protocol. Times in seconds."""

    frame_bytes: int = MIB  # body slice of one frame that is accepted
    slice_bytes: int = 126_976  # body slice that is sent: larger ones leave the cache and the allocator's fast path
    near_slice_bytes: int = 4 * MIB  # of an answer to the same machine, if it accepts that
    meta_bytes: int = 65_535
    meta_depth: int = 8
    inline_bytes: int = 64 * KIB  # arguments that travel in the CALL frame itself
    calls: int = 2048  # open at once
    window_bytes: int = 256 * KIB  # credit per call at the start
    window_max_bytes: int = 4 * MIB  # and grown to
    value_window_bytes: int = 16 * MIB  # credit at the start that a client gives what goes straight into its value
    connection_window_bytes: int = 16 * MIB
    small_answer_bytes: int = 8 * KIB  # answers up to this overtake large ones
    heartbeat_s: float = 15.0
    silence_s: float = 40.0
    hello_s: float = 10.0


SESSION = SessionLimits()
#: Of a client: what comes goes straight into its value, so that large frames take no memory beside.
CLIENT_SESSION = replace(SESSION, frame_bytes=4 * MIB)


@dataclass(frozen=True, slots=True)
class ResumeLimits:
    """Bound what is kept so that a session goes on when its connection breaks. Times in seconds."""

    window_s: float = 30.0  # a session without a connection is kept so long
    frame_bytes: int = 4 * KIB  # each frame counts for so many more than it has, below
    ack_bytes: int = 8 * MIB  # received since the last ACK: the next is due
    kept_bytes: int = 32 * MIB  # sent and not acknowledged: values wait
    sessions: int = 256  # without a connection, of all users
    user_sessions: int = 16  # of one user
    sessions_bytes: int = GIB  # frames and answers that all of them hold
    first_pause_s: float = 0.05  # a client tries at once, then after a random part of this
    pause_s: float = 2.0  # which doubles up to here
    refused_s: float = 3.0  # nobody listens at the address: given up earlier


RESUME = ResumeLimits()


@dataclass(frozen=True, slots=True)
class JsonSocketLimits:
    """Bound one connection on which calls are told in JSON."""

    frame_bytes: int = MIB
    calls: int = 256  # open at once, those that wait for their turn included
    open_bytes: int = 16 * MIB  # frames of all open calls
    answer_bytes: int = 64 * MIB  # of one answer, encoded and shown
    views: int = 4  # answers that are shown or sent at the same time
    idle_s: float = 3600.0


JSON_SOCKET = JsonSocketLimits()


@dataclass(frozen=True, slots=True)
class RepeatLimits:
    """Bound what is remembered of requests that name their call by a key, in case they are sent again."""

    window_s: float = 60.0
    calls: int = 16_384
    answer_bytes: int = 64 * KIB  # of larger answers it is only known that they were
    total_bytes: int = 64 * MIB
    grace_s: float = 2.0  # how long a call goes on whose client is gone, which may come back
    transit_s: float = 5.0  # how much longer than the first the second request may have been under way
    key_chars: int = 256


REPEAT = RepeatLimits()

#: A dotted path: components of it and characters of one.
PATH_PARTS = 8
PATH_PART_CHARS = 80

#: A worker hands a result over this size through a descriptor instead of its socket.
HANDOVER_BYTES = 256 * KIB
#: So much of a call's arguments is there before a process is lent to it.
PREFETCH_BYTES = 256 * KIB
#: Arguments that pause for longer are given up [s].
STALL_S = 20.0
#: Iterators and objects that one worker process keeps for later calls.
HELD_OBJECTS = 4096
#: Objects that one gateway keeps for all callers together.
HANDLES = 16_384
#: Steps of one chain.
CHAIN_STEPS = 32
#: Bytes of a stream that the gateway holds for one slow client beyond its credit.
STREAM_QUEUE_BYTES = 256 * KIB
#: All items of a stream, where they are shown as one list.
STREAM_VIEW_BYTES = 64 * MIB
#: A stream of which its client takes nothing for so long is ended [s].
STREAM_IDLE_S = 600.0
#: How long a step that nobody waits for may go on before its process is ended [s].
DROP_S = 2.0
#: How long after its deadline a client waits for a call; the server ends it by then, or is gone [s].
ANSWER_GRACE_S = 1.0
#: Calls of one connection whose arguments may be incomplete at the same time.
INFLOWS = 64
#: Paths per user and worker of which decisions are remembered.
MEMO_ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class AuditLimits:
    """Bound what is kept in memory for the audit, and how late it may be written. Times in seconds."""

    write_s: float = 0.25
    refused_s: float = 60.0  # the same refusal is told once, then counted
    reasons: int = 4096  # that are counted one by one
    waiting: int = 100_000  # records, while the disk takes none
    digest_bytes: int = 4 * KIB
    preview_bytes: int = 4 * KIB  # longer arguments are not shown
    preview_chars: int = 200
    path_chars: int = 200


AUDIT = AuditLimits()
#: Request line and headers of one HTTP request, beyond the read in which they begin.
HTTP_HEAD_BYTES = 64 * KIB
#: A connection on which no whole head has come for so long, since it was made or last answered, is closed [s].
HTTP_HEAD_S = 10.0
#: Connections on which no whole head has come yet; the one that was quiet longest makes room for the next.
HTTP_QUIET = 2000
#: A body that is wanted comes at least so fast, once it had `STALL_S` to begin [B/s].
HTTP_BODY_RATE = 1 * KIB
#: Requests of one connection that may wait behind the one that is answered.
HTTP_PIPELINE = 32
#: A token longer than this is refused unread.
TOKEN_CHARS = 256
#: Rows that one answer counts at most, whatever its head says.
ANSWER_ROWS = 1 << 40
#: Parts of an answer that are looked at to count its rows; larger collections count their items.
TALLY_NODES = 1 << 16

#: While the store of tokens cannot be read, those that are known go on for so long [s].
OUTAGE_GRACE_S = 60.0


@dataclass(frozen=True, slots=True)
class FrameLimits:
    """Bound the frames of one WebSocket, which can be smaller than the work that they make."""

    fragments: int = 64  # of one message, and one more for so many bytes of it:
    fragment_bytes: int = 64
    controls: int = 1000  # pings and pongs, within the time below
    controls_s: float = 10.0
    parse_bytes: int = KIB  # parsed before these are looked at: so long others wait
    rest_bytes: int = 16 * KIB  # in small frames, one after the other, from a peer that goes on although we closed


FRAMES = FrameLimits()


@dataclass(frozen=True, slots=True)
class WrongTokenLimits:
    """Bound how many wrong tokens one address may show before it is told to wait."""

    burst: int = 1000
    per_second: float = 20.0
    places: int = 4096  # addresses that are counted; the one that was quiet longest is forgotten first


WRONG_TOKENS = WrongTokenLimits()


@dataclass(frozen=True, slots=True)
class TicketLimits:
    """Bound the open tickets for WebSockets of browsers. Times in seconds."""

    lifetime_s: float = 30.0
    per_user: int = 8
    total: int = 4096


TICKETS = TicketLimits()
