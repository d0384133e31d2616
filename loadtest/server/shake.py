"""Rests between the instructions of an app, to meet windows that a load seldom meets.

Now and then a request rests for a millisecond between two instructions of the app's own files, so
that another request comes into the window. `SHAKE_PLAN` is a JSON object:

    folders   an instruction is rested at only if its file is in one of them
    packages  or if its file belongs to one of these importable packages
    where     "switches": rest only at instructions where this CPython may switch threads;
              "anywhere": between any two instructions
    blocking  true: rest in the thread of an event loop, too (other processes go on meanwhile)
    seed      the same seed rests after the same numbers of instructions
    log       the file for what each request did, a JSON object a line

Each worker writes a line at its start: {"python", "gil"}; then a line a request:

    worker, thread   its labels, as on the reply
    start, end       nanoseconds of the monotonic clock
    status           of the answer; null if there was none
    error            [type, message, place] of the last exception in the app's code; null without
    rests            [start, end, place, instruction], an instruction as "function:offset"
    steps            [time, place, "read" or "write", name]: accesses of names, local ones excepted
    functions        {function: [first time, last time]}: when the request was inside

It runs in the server's interpreter, which may be another than ours: Python 3.9 or newer, and
nothing but the standard library. It uses `sys.monitoring` where there is one (3.12), which costs
nothing outside the app's files, else `sys.settrace`, for which each call of any Python function
pays: 20,000 calls of a library's function took 0.8 ms without it and 13 ms with it on 3.11, and
1.0 ms either way on 3.12 and 3.13.
"""

from __future__ import annotations

import asyncio
import dis
import inspect
import itertools
import json
import os
import random
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Generator
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
)
from typing import Any

REST_S, FIRST_REST_S = 0.001, 0.01
"""The length of a rest, and of the first at an instruction: the first requests come slowly."""
UNSEEN = 48.0
"""The weight of an instruction that nobody has rested at yet."""
LONG_S = 0.5
"""The switch interval: longer than a request, but no loop waits for another thread for ever."""
GAP = 12.0
"""The mean number of instructions between two rests, where all weigh 1."""
MOST_RESTS, MOST_STEPS = 30, 200
"""Of one request: a long one would otherwise run into its client's time-out."""
MOST_BYTES = 16 << 20
"""The length at which a worker's log ends; rests go on."""
READS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_ATTR", "LOAD_METHOD"}
WRITES = {"STORE_GLOBAL", "STORE_NAME", "STORE_DEREF", "STORE_ATTR", "DELETE_GLOBAL", "DELETE_ATTR"}
ITEMS = {"STORE_SUBSCR", "DELETE_SUBSCR"}
METHODS = {"LOAD_ATTR", "LOAD_METHOD"}
CHANGES = {
    *("add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem"),
    *("popleft", "remove", "setdefault", "update"),
}
"""The methods that change what they are called on."""
NEVER_SWITCH = {"len", "isinstance", "type", "append"}
"""The calls that CPython specializes from 3.11 on, without a switch after them."""
SWITCH_3_9 = (
    *("BINARY_", "INPLACE_", "BUILD_", "CALL_", "FORMAT_VALUE", "JUMP_ABSOLUTE"),
    *("LOAD_ATTR", "LOAD_GLOBAL", "STORE_ATTR", "STORE_GLOBAL", "STORE_SUBSCR"),
)
NO_SWITCH_BEFORE_3_9 = ("SETUP_FINALLY", "SETUP_WITH", "BEFORE_ASYNC_WITH", "YIELD_FROM")
VERSION = sys.version_info[:2]
GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
current: ContextVar[Request | None] = ContextVar("current", default=None)


class Request:
    """The rests and accesses of one request."""

    def __init__(self) -> None:
        self.start = time.monotonic_ns()
        self.status: int | None = None
        self.error: tuple[str, str, str] | None = None
        self.raised: BaseException | None = None
        self.rests: list[tuple[int, int, str, str]] = []
        self.steps: list[tuple[int, str, str, str]] = []
        self.functions: dict[str, list[int]] = {}
        self.inside = ""


class Function:
    """The instructions of a function: their lines, accesses, and which may be followed by a switch.

    Offsets are bytes of its code.
    """

    def __init__(self, code: CodeType) -> None:
        self.file = Path(code.co_filename).name
        self.name = f"{self.file}:{code.co_firstlineno}:{code.co_name}"
        self.first = code.co_firstlineno
        self.lines: dict[int, int] = {}
        self.accesses: dict[int, tuple[str, str]] = {}
        self.after: dict[int, int] = {}
        """The offset of the instruction after one in the file; another was jumped to."""
        self.names: dict[int, str] = {}
        self.callees: dict[int, str] = {}
        instructions = list(dis.get_instructions(code))
        line, container = code.co_firstlineno, ""
        starts = dict(dis.findlinestarts(code))
        for index, each in enumerate(instructions):
            line = starts.get(each.offset) or line
            self.lines[each.offset] = line
            self.names[each.offset] = each.opname
            if index + 1 < len(instructions):
                self.after[each.offset] = instructions[index + 1].offset
            name = str(each.argval)
            if each.opname in METHODS and name in CHANGES and container:
                self.accesses[each.offset] = ("write", container)
            elif each.opname in READS:
                self.accesses[each.offset] = ("read", name)
                container = name
            elif each.opname in WRITES:
                self.accesses[each.offset] = ("write", name)
            elif each.opname in ITEMS and container:
                self.accesses[each.offset] = ("write", container)
            if each.opname.startswith("CALL"):
                container = ""
                self.callees[each.offset] = callee(instructions[:index], each.arg or 0)

    def place(self, offset: int) -> str:
        # a frame that calls may be inside its instruction
        before = [each for each in self.lines if each <= offset]
        return f"{self.file}:{self.lines[max(before)] if before else self.first}"

    def switches(self, done: int, following: int) -> bool:
        """Return True if 3.9 to 3.11 may switch threads between these two instructions.

        A call counts as one of a C function: whoever calls this knows if it was another's.
        """
        name = self.names.get(done, "")
        if VERSION < (3, 10):
            skipped = self.names.get(following) in NO_SWITCH_BEFORE_3_9
            return name.startswith(SWITCH_3_9) and not skipped
        jumped = following != self.after.get(done)
        if VERSION < (3, 11):
            return name.startswith("CALL_") or (
                jumped and name.startswith(("POP_JUMP_IF_", "JUMP_ABSOLUTE"))
            )
        if name.startswith("CALL"):
            return self.callees[done] not in NEVER_SWITCH
        return jumped and "JUMP_BACKWARD" in name


def callee(before: list[dis.Instruction], arguments: int) -> str:
    """Return the name of what a call calls, "" if it has none: walk back over its arguments."""
    pushed = 0
    for each in reversed(before):
        if each.opname in ("PRECALL", "KW_NAMES", "CACHE"):
            continue
        if pushed >= arguments:
            return str(each.argval)
        try:
            jumps = each.opcode in dis.hasjrel or each.opcode in dis.hasjabs
            pushed += 0 if jumps else dis.stack_effect(each.opcode, each.arg)
        except ValueError:
            return ""
    return ""


class Shaker:
    """The rests of the requests of this process: places, times and log."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.folders = set(map(Path, map(os.path.realpath, plan["folders"])))
        self.packages: set[Path] = set()
        for package in plan["packages"]:
            spec = find_spec(package)
            if spec and spec.submodule_search_locations:
                found = map(os.path.realpath, spec.submodule_search_locations)
                self.packages |= set(map(Path, found))
            elif spec and spec.origin:
                self.packages.add(Path(os.path.realpath(spec.origin)))
        self.anywhere = plan["where"] == "anywhere" or not GIL
        if not self.anywhere:
            # what is called at each instruction is Python, too: threads would switch in it
            sys.setswitchinterval(LONG_S)
        self.blocking = plan["blocking"]
        self.seed = plan["seed"]
        self.log = os.open(plan["log"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        self.written = 0
        self.functions: dict[CodeType, Function | None] = {}
        self.rests: dict[str, int] = {}
        self.met: dict[str, int] = {}
        self.active: set[Request] = set()
        self.streams = itertools.count()
        self.thread = threading.local()
        self.loop_thread = 0
        self.write({"python": sys.version.split()[0], "gil": GIL})

    def write(self, line: dict[str, Any]) -> None:
        if self.written < MOST_BYTES:
            # in one piece: several workers append to one file
            self.written += os.write(self.log, json.dumps(line).encode() + b"\n")

    def function(self, code: CodeType) -> Function | None:
        """Return the instructions of a function of the app; None for any other."""
        try:
            return self.functions[code]
        except KeyError:
            found = Function(code) if self.owns(code.co_filename) else None
            self.functions[code] = found
            return found

    def owns(self, name: str) -> bool:
        """Return True for a file of the app: in its folders, but in no library there."""
        if name.startswith("<"):
            # a module that is frozen, or made from a text
            return False
        path = Path(os.path.realpath(name))
        around = {path, *path.parents}
        if around & self.packages:
            return True
        libraries = {"site-packages", "dist-packages"} & set(path.parts)
        standard = Path(sysconfig.get_path("stdlib")) in around
        return bool(around & self.folders) and not libraries and not standard

    def step(self, request: Request, function: Function, offset: int) -> None:
        """Note that a request comes to an instruction."""
        now = time.monotonic_ns()
        request.inside = function.name
        request.functions.setdefault(function.name, [now, now])[1] = now
        access = function.accesses.get(offset)
        if access and len(request.steps) < MOST_STEPS:
            request.steps.append((now, function.place(offset), *access))

    def candidate(self, request: Request, function: Function, offset: int) -> None:
        """Rest here, if it is time to: sooner where requests meet, and where rests are few."""
        if len(request.rests) >= MOST_RESTS:
            return
        if threading.get_ident() == self.loop_thread and not self.blocking:
            # a loop that sleeps lets nobody else go on
            return
        local = self.thread
        if not hasattr(local, "random"):
            local.random = random.Random(f"{self.seed} {next(self.streams)}")
            local.left = local.random.expovariate(1 / GAP)
        point = f"{function.name}:{offset}"
        rests = self.rests.get(point, 0)
        # first where nobody has rested yet: some windows are open for the first requests alone
        weight = 1 / (1 + rests / 8) if rests else UNSEEN
        local.left -= weight * (1 + min(3, self.met.get(function.name, 0)))
        if local.left <= 0:
            local.left = local.random.expovariate(1 / GAP)
            # counted at its start, so that the next request does not rest here as well: two that go
            # in step would hide a window that one opens and the other has to pass
            self.rests[point] = rests + 1
            self.rest(request, function, offset, point, FIRST_REST_S if not rests else REST_S)
            if not (self.blocking or len(self.active) > 1):
                # a rest that nobody could meet is none
                self.rests[point] = rests

    def rest(
        self, request: Request, function: Function, offset: int, point: str, seconds: float
    ) -> None:
        request.inside = function.name
        start = time.monotonic_ns()
        met = self.meets(request, function)
        # looked up anew: gevent's yields to the hub, and other greenlets are to be traced meanwhile
        sys.call_tracing(time.sleep, (seconds,))
        if met or self.meets(request, function):
            self.met[function.name] = self.met.get(function.name, 0) + 1
        end = time.monotonic_ns()
        request.rests.append((start, end, function.place(offset), point))

    def meets(self, request: Request, function: Function) -> bool:
        others = (each for each in list(self.active) if each is not request)
        return any(each.inside == function.name for each in others)

    def raised(self, code: CodeType, offset: int, error: BaseException) -> None:
        request, function = current.get(), self.function(code)
        if request and function and error is not request.raised:
            if isinstance(error, (StopIteration, StopAsyncIteration, GeneratorExit)):
                return
            request.raised = error
            request.error = (type(error).__name__, str(error)[:200], function.place(offset))

    def begin(self) -> Request:
        request = Request()
        self.active.add(request)
        return request

    def end(self, request: Request, labels: Any) -> None:
        # nobody has labels before the first answer
        thread = getattr(getattr(labels, "thread", None), "number", None)
        self.active.discard(request)
        self.write(
            {
                "worker": os.getpid(),
                "thread": thread,
                "start": request.start,
                "end": time.monotonic_ns(),
                "status": request.status,
                "error": request.error,
                "rests": request.rests,
                "steps": request.steps,
                "functions": request.functions,
            }
        )
        request.raised = None


class Monitoring:
    """Events of `sys.monitoring`, local to the app's functions (3.12 and newer)."""

    def __init__(self, shaker: Shaker) -> None:
        self.shaker = shaker
        self.monitoring = monitoring = sys.monitoring  # type: ignore[attr-defined, unused-ignore]
        self.tool = next(tool for tool in (3, 4, 5, 0, 1, 2) if not monitoring.get_tool(tool))
        events = monitoring.events
        monitoring.use_tool_id(self.tool, "shake")
        self.local = events.PY_START | events.PY_RESUME | events.INSTRUCTION
        callbacks: dict[int, Callable[..., Any]] = {
            events.PY_START: self.started,
            events.PY_RESUME: self.switch_before,
            events.INSTRUCTION: self.instruction,
            events.RAISE: shaker.raised,
        }
        if not shaker.anywhere:
            self.local |= events.CALL | events.JUMP
            callbacks |= {
                events.CALL: self.called,
                events.C_RETURN: self.returned,
                events.JUMP: self.jumped,
            }
        for event, callback in callbacks.items():
            monitoring.register_callback(self.tool, event, callback)
        monitoring.set_events(self.tool, events.PY_START | events.RAISE)

    def started(self, code: CodeType, offset: int) -> Any:
        if self.shaker.function(code) is None:
            return self.monitoring.DISABLE
        if not self.monitoring.get_local_events(self.tool, code):
            self.monitoring.set_local_events(self.tool, code, self.local)
        self.switch_before(code, offset)
        return None

    def instruction(self, code: CodeType, offset: int) -> None:
        request, function = current.get(), self.shaker.function(code)
        if request and function:
            if self.shaker.anywhere:
                self.shaker.candidate(request, function, offset)
            self.shaker.step(request, function, offset)

    def switch_before(self, code: CodeType, offset: int) -> None:
        request, function = current.get(), self.shaker.function(code)
        if request and function and not self.shaker.anywhere:
            self.shaker.candidate(request, function, offset)

    def called(self, code: CodeType, offset: int, callee: object, first: object) -> None:
        if in_python(callee):
            self.switch_before(code, offset)

    def returned(self, code: CodeType, offset: int, callee: object, first: object) -> None:
        if not in_python(callee) and not specialized(callee):
            self.switch_before(code, offset)

    def jumped(self, code: CodeType, offset: int, destination: int) -> None:
        if destination < offset:
            self.switch_before(code, offset)


def in_python(callee: object) -> bool:
    """Return True if a call runs a Python function, at whose start CPython may switch."""
    if isinstance(callee, type):
        return isinstance(inspect.getattr_static(callee, "__init__", None), FunctionType)
    return isinstance(callee, (FunctionType, MethodType))


def specialized(callee: object) -> bool:
    """Return True for a call after which CPython 3.11 and newer do not switch."""
    if callee is type:
        return True
    c_function = isinstance(callee, (BuiltinFunctionType, MethodDescriptorType))
    return c_function and callee.__name__ in NEVER_SWITCH  # type: ignore[attr-defined]


class Tracing:
    """Events of `sys.settrace`, an instruction each (before 3.12)."""

    def __init__(self, shaker: Shaker) -> None:
        self.shaker = shaker
        # threads that the app or its server starts
        threading.settrace(self.call)

    def call(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        """Python's hook: a function begins."""
        shaker = self.shaker
        shaker.thread.calls = getattr(shaker.thread, "calls", 0) + 1
        request, function = current.get(), shaker.function(frame.f_code)
        if request and not shaker.anywhere:
            caller = frame.f_back
            at = shaker.function(caller.f_code) if caller else None
            if caller and at:
                # a Python function begins with a place where CPython may switch
                shaker.candidate(request, at, caller.f_lasti)
        if function is None:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self.within(function)

    def within(self, function: Function) -> Callable[..., Any]:
        shaker, last, calls = self.shaker, -1, 0

        def trace(frame: FrameType, event: str, arg: Any) -> Callable[..., Any]:
            nonlocal calls, last
            request, offset = current.get(), frame.f_lasti
            if event == "exception":
                shaker.raised(frame.f_code, offset, arg[1])
            if event != "opcode" or not request:
                return trace
            entered, calls = shaker.thread.calls != calls, shaker.thread.calls
            # from 3.11 on, a function of Python switches at its start and not at its end
            in_python = entered and VERSION >= (3, 11)
            if shaker.anywhere or (function.switches(last, offset) and not in_python):
                shaker.candidate(request, function, offset)
            shaker.step(request, function, offset)
            last = offset
            return trace

        return trace


def begin() -> Shaker | None:
    """Begin to shake this process, if `SHAKE_PLAN` says so."""
    plan = os.environ.get("SHAKE_PLAN")
    if not plan:
        return None
    shaker = Shaker(json.loads(plan))
    if VERSION >= (3, 12):
        Monitoring(shaker)
    else:
        shaker.trace = Tracing(shaker).call  # type: ignore[attr-defined]
    return shaker


def around_wsgi(app: Callable[..., Any], labels: Any) -> Callable[..., Any]:
    """Return a WSGI app whose requests rest, or the app itself if this is no shaken run."""
    shaker = begin()
    if shaker is None:
        return app
    trace = getattr(shaker, "trace", None)

    def shaken(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        request = shaker.begin()

        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            request.status = int(status[:3])
            return start_response(status, headers, exc_info)

        token = current.set(request)
        before = sys.gettrace()
        if trace and before is None:
            sys.settrace(trace)
        try:
            return app(environ, start)
        finally:
            if trace and before is None:
                sys.settrace(None)
            current.reset(token)
            shaker.end(request, labels)

    return shaken


def around_asgi(app: Callable[..., Any], labels: Any) -> Callable[..., Any]:
    """Like `around_wsgi`: the requests rest at awaits, and in threads that they are given."""
    shaker = begin()
    if shaker is None:
        return app
    trace = getattr(shaker, "trace", None)

    async def shaken(scope: Any, receive: Any, send: Callable[..., Any]) -> None:
        if scope.get("type") != "http":
            await app(scope, receive, send)
            return
        shaker.loop_thread = threading.get_ident()
        request = shaker.begin()

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
            await send(message)

        token = current.set(request)
        if trace and sys.gettrace() is None:
            sys.settrace(trace)
        try:
            await Resting(app(scope, receive, sending), request, shaker)
        finally:
            current.reset(token)
            shaker.end(request, labels)

    return shaken


class Resting:
    """A coroutine that is resumed later, now and then: a loop may always do so.

    Nothing is put between a resumption and the next await, where an event loop cannot switch.
    """

    def __init__(self, coroutine: Any, request: Request, shaker: Shaker) -> None:
        self.coroutine, self.request, self.shaker = coroutine, request, shaker

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self.coroutine.__await__()
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                waits = inner.throw(error) if error else inner.send(value)
            except StopIteration as done:
                return done.value
            value = error = None
            try:
                value = yield waits
                yield from self.rest()
            except BaseException as thrown:
                error = thrown

    def rest(self) -> Generator[Any, Any, None]:
        found = self.suspended()
        request, shaker = self.request, self.shaker
        if not found or len(request.rests) >= MOST_RESTS:
            return
        function, offset = found
        local = shaker.thread
        if not hasattr(local, "awaits"):
            local.awaits = random.Random(f"{shaker.seed} awaits")
        # few awaits suspend, and a rest there costs the other requests nothing
        if local.awaits.random() < 0.5:
            start = time.monotonic_ns()
            yield from asyncio.sleep(REST_S).__await__()
            point = f"{function.name}:{offset}"
            request.rests.append((start, time.monotonic_ns(), function.place(offset), point))

    def suspended(self) -> tuple[Function, int] | None:
        """Return the innermost function of the app that waits, and the instruction it waits at."""
        found, awaited = None, self.coroutine
        while awaited is not None:
            frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
            if frame and (function := self.shaker.function(frame.f_code)):
                found = function, frame.f_lasti
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        return found
