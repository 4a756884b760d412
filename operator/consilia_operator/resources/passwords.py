"""The broker accounts' passwords, and how they change while both the old and the new one are right. Pure.

The ``accounts`` secret, which the broker mounts, has a file for each account with its password, and while that changes
a second line with the one before. The account's own secret, which its pod mounts, has one. An account goes through

1. begun: the broker's file has (new, old); the pod still logs in with the old one;
2. handed over, when the broker's pod has confirmed the file: the pod's secret has the new one;
3. done, when the account's pod has confirmed its secret: the broker's file has the new one alone.

What there is to do is read off these two secrets and the confirmations, so that any operator goes on where another was
killed. An account whose pod never comes up keeps both; the others are done without it.
"""

import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

ROTATION = ".rotation"
"""Key of the ``accounts`` secret that names the last rotation begun: the broker starts anew with each."""
PASSWORD_BYTES = 24
_OURS = re.compile(rb"[A-Za-z0-9_-]{32}")

Data = Mapping[str, bytes]


@dataclass(frozen=True)
class Passwords:
    """What the secrets are to have: the broker's file, and each account's own password."""

    accounts: Data
    own: Data


def next_passwords(
    wanted: Sequence[str], accounts: Data, own: Data, settled: Collection[str], *, broker_settled: bool, due: bool
) -> Passwords:
    """One step of every account of ``wanted``.

    Parameters
    ----------
    accounts, own
        What the secrets have: the broker's file by account (and :data:`ROTATION`), each account's own password. Who is
        in the first and not in the second had its secret deleted: that is how somebody asks for a new password.
    settled
        Accounts whose pod is Ready with the password that its secret has now.
    broker_settled
        Whether the broker's pod is Ready with the rotation that ``accounts`` names.
    due
        Whether it is time to begin with every account that is not under way.
    """
    step = [_next(name, accounts, own, name in settled, broker_settled, due) for name in wanted]
    rotation = accounts.get(ROTATION)
    if rotation is None or any(begun for _, _, begun in step):
        rotation = secrets.token_hex(8).encode()
    files = {name: b"\n".join(lines) + b"\n" for name, (lines, _, _) in zip(wanted, step, strict=True)}
    return Passwords(
        files | {ROTATION: rotation}, {name: mine for name, (_, mine, _) in zip(wanted, step, strict=True)}
    )


def _next(
    name: str, accounts: Data, own: Data, settled: bool, broker_settled: bool, due: bool
) -> tuple[Sequence[bytes], bytes, bool]:
    """The broker's lines, the account's own password, and whether a rotation begins with this."""
    lines, mine = [line for line in accounts.get(name, b"").split() if _OURS.fullmatch(line)][:2], own.get(name)
    if not lines:
        # New, or the broker's file is lost: a pod may be logging in with what its secret has.
        first = mine if mine is not None and _OURS.fullmatch(mine) else _password()
        return [first], first, False
    if len(lines) > 1 and settled and mine == lines[0]:
        lines = lines[:1]
    if len(lines) == 1 and (due or mine is None):
        return [_password(), *lines], lines[0], True
    handed_over = mine == lines[0] or broker_settled
    return lines, lines[0 if handed_over else -1], False


def _password() -> bytes:
    return secrets.token_urlsafe(PASSWORD_BYTES).encode()
