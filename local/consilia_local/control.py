"""How another command finds the one that runs a federation, and edits the Federation it holds."""

import http.client
import json
import os
import urllib.parse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from consilia.errors import InvalidSetting, Refusal, Unavailable
from consilia.object_paths import MERGE_PATCH, path_of
from consilia_local.folder import DEFAULT_PARENT, write_private

Object = dict[str, Any]
TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class Control:
    """Where the running command's object API answers, and the token it asks for."""

    url: str
    token: str
    namespace: str
    name: str
    pid: int

    def write(self, path: Path) -> None:
        """Leave it for other commands."""
        write_private(path, json.dumps(asdict(self)).encode())

    def get(self) -> Object:
        """The Federation."""
        return self._ask("GET", None)

    def patch(self, spec: Object) -> Object:
        """Edit its spec; the Federation after it. Raises :class:`Refusal` with the reason."""
        return self._ask("PATCH", {"spec": spec})

    def _ask(self, method: str, body: Object | None) -> Object:
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=TIMEOUT)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": MERGE_PATCH}
        try:
            connection.request(method, path_of(self.namespace, self.name), json.dumps(body), headers)
            answer = connection.getresponse()
            found: Object = json.loads(answer.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unavailable(f"the command that runs {self.name} does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise Refusal(found.get("message", f"it answered {answer.status}"))
        return found


def find(name: str | None, parent: Path = DEFAULT_PARENT) -> Control:
    """The running command of the federation ``name``, or of the only one that runs below ``parent``.

    Raises :class:`InvalidSetting` where there is none, or more than one to choose from.
    """
    running = {
        control.name: control for path in sorted(parent.glob("*/control.json")) if (control := read_control(path))
    }
    if name is not None:
        if name not in running:
            raise InvalidSetting(f'no `consilia run` of "{name}" is running from this folder: start it first')
        return running[name]
    if not running:
        raise InvalidSetting("no `consilia run` is running from this folder: start one first")
    if len(running) > 1:
        raise InvalidSetting(f"several federations run here ({', '.join(running)}): name one")
    return next(iter(running.values()))


def read_control(path: Path) -> Control | None:
    """What ``path`` says, where the command that wrote it still runs."""
    try:
        control = Control(**json.loads(path.read_bytes()))
        os.kill(control.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return control
