"""The process from which every other one of a run is forked, and which takes them all along when it goes.

Importing SPADE and scikit-learn costs seconds. Seven processes that need them would each pay; here they are imported
once, and coordinator, hospitals and broker are forked from them: they start in milliseconds and share the memory.
It imports nothing but the standard library before it is told to, has one thread and no event loop: safe to fork.

It speaks JSON, a line a message, over the socket whose descriptor it is given. In:

- ``{"start": id, "name": .., "environment": {..}, "log": path, "nice": n, "arguments": [..]}`` and ``"command": [..]``
  (executed) or ``"module": "name"`` (its ``main()`` is called, in a fork). A request for a module waits until that
  module was imported.
- ``{"load": ["module", ..]}``: import these, in this order. ``{"log": path}``: where imports may complain.

Out: ``{"started": id, "pid": pid}``, then ``{"exited": id, "code": n}`` (negative: the signal that ended it).

Each child leads a process group of its own; what its group leaves behind is killed when the leader ends. When the
socket closes, or the process that started the nursery dies, every group is killed.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections import deque
from types import FrameType
from typing import Any, NoReturn

Request = dict[str, Any]

PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
LONGEST_NAME = 15
LONGEST_READ = 1 << 20

# scikit-learn imports pandas only where it is installed, and only to recognise its tables. Nothing here has any; the
# import would cost every start 1.6 s, 60 MB and a thread (pyarrow's), after which forking is no longer safe.
LEFT_OUT = ("pandas", "pyarrow")


class Absent:
    """What finds that there is no pandas.

    A hospital that reads files imports pyarrow after all, once it is a process of its own, and that looks for pandas by
    a way that knows no None among the modules.
    """

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> None:
        """Nothing to say of any other module."""
        if name.partition(".")[0] == "pandas":
            raise ModuleNotFoundError(f"no module {name} in a process that was forked", name=name)


class Nursery:
    """Forks what it is asked for, between imports, and tells how each child ends."""

    def __init__(self, connection: socket.socket) -> None:
        self._pid = os.getpid()
        self._connection = connection
        self._inbox = b""
        self._to_load: deque[str] = deque()
        self._waiting: list[Request] = []
        self._children: dict[int, int] = {}
        self._selector = selectors.DefaultSelector()

    def run(self) -> None:
        """Serve until the connection closes."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _note)
        signal.signal(signal.SIGTERM, self._end)
        self._selector.register(wake_read, selectors.EVENT_READ, "child")
        self._selector.register(self._connection, selectors.EVENT_READ, "request")
        while True:
            for key, _ in self._selector.select(0 if self._to_load else None):
                if key.data == "child":
                    os.read(wake_read, LONGEST_READ)
                elif not self._receive():
                    self._end(signal.SIGTERM, None)
            self._reap()
            self._load_next()
            self._start_what_can()

    def _receive(self) -> bool:
        data = self._connection.recv(LONGEST_READ)
        *lines, self._inbox = (self._inbox + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "start" in request:
                self._waiting.append(request)
            elif "load" in request:
                self._to_load.extend(request["load"])
            else:
                _write_to(request["log"])
        # At once, before the next import: a command needs none of them.
        self._start_what_can()
        return bool(data)

    def _load_next(self) -> None:
        if not self._to_load:
            return
        gc.disable()
        # A module that does not import fails again in the child that needs it, with its traceback in that log.
        with contextlib.suppress(Exception):
            importlib.import_module(self._to_load[0])
        self._to_load.popleft()
        gc.freeze()
        gc.enable()

    def _start_what_can(self) -> None:
        held = set(self._to_load)
        ready = [request for request in self._waiting if request.get("module") not in held]
        self._waiting = [request for request in self._waiting if request.get("module") in held]
        for request in ready:
            self._start(request)

    def _start(self, request: Request) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._leave_to_the_child()
            _become(request, parent)
        # The child sets it too: the group exists whoever comes first.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        self._children[pid] = request["start"]
        self._tell({"started": request["start"], "pid": pid})

    def _leave_to_the_child(self) -> None:
        for name in LEFT_OUT:
            sys.modules.pop(name, None)
        sys.meta_path.insert(0, Absent())
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._connection.close()

    def _reap(self) -> None:
        for pid in list(self._children):
            # Peek first: while the leader is not reaped its number, and that of its group, cannot be another's.
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            self._tell({"exited": self._children.pop(pid), "code": os.waitstatus_to_exitcode(status)})

    def _tell(self, message: dict[str, int]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def _end(self, _number: int, _frame: FrameType | None) -> NoReturn:
        if os.getpid() != self._pid:
            os._exit(1)  # a fork that was told to stop before it had become anything
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        os._exit(0)


def _become(request: Request, parent: int) -> NoReturn:
    """Turn this fork into the process that was asked for."""
    code = 1
    try:
        _settle(request, parent)
        if request.get("command"):
            os.execvpe(request["command"][0], request["command"], request["environment"])  # noqa: S606 - no shell wanted
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = [request["module"], *request.get("arguments", [])]
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        code = importlib.import_module(request["module"]).main() or 0
    except SystemExit as leaving:
        code = _exit_code(leaving)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _settle(request: Request, parent: int) -> None:
    os.setpgid(0, 0)
    die_with(parent, signal.SIGKILL)
    ctypes.CDLL(None).prctl(PR_SET_NAME, request["name"].encode()[:LONGEST_NAME])
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _write_to(request["log"])
    os.nice(request.get("nice", 0))


def _write_to(path: str) -> None:
    """Send what this process prints to the end of the file at ``path``."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _exit_code(leaving: SystemExit) -> int:
    if leaving.code is None or isinstance(leaving.code, int):
        return leaving.code or 0
    sys.stderr.write(f"{leaving.code}\n")
    return 1


def die_with(parent: int, number: int) -> None:
    """Have the kernel send this process the signal ``number`` when its parent, ``parent``, dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)  # it died before the kernel was asked


def _note(_number: int, _frame: FrameType | None) -> None:
    """Wake the loop (through the wake-up descriptor); without a handler the signal would be ignored."""


def main() -> NoReturn:
    """``python -m consilia_local.nursery DESCRIPTOR PARENT``."""
    for name in LEFT_OUT:
        sys.modules[name] = None  # type: ignore[assignment]
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    die_with(int(sys.argv[2]), signal.SIGTERM)
    Nursery(connection).run()
    sys.exit(0)


if __name__ == "__main__":
    main()
