"""What a database's errors mean, as sentences of ours: a server's or a driver's may quote values and passwords.

PostgreSQL tells by SQLSTATE (PostgreSQL 15, appendix A) once somebody is let in; before that, and in SQLite, there is
only text, of which known words are looked for. What may come back by itself is Unavailable.
"""

import re
import sqlite3

import psycopg

from consilia.errors import ConsiliaError, InvalidData, Unavailable

_Kind = type[ConsiliaError]

_STATES: dict[str, tuple[_Kind, str]] = {
    "25006": (InvalidData, ": the query writes, and it is run to read alone; take out what writes"),
    "25001": (InvalidData, ": the query writes, and it is run to read alone; take out what writes"),
    "0A": (InvalidData, ": the query is no plain SELECT; take out what writes or locks"),
    "42501": (InvalidData, ": the source's credentials may not read what is asked for; grant SELECT on the tables"),
    "42P01": (InvalidData, ": the query names a table that there is not{at}; mend it"),
    "3F": (InvalidData, ": there is no schema of that name{at}; mend it"),
    "42703": (InvalidData, ": the query names a column that there is not{at}; mend it"),
    "42883": (InvalidData, ": the query names a function that there is not{at}; mend it"),
    "42601": (InvalidData, ": the query is no single SELECT{at}; mend it"),
    "42": (InvalidData, ": the query is not understood{at} ({state}); mend it"),
    "22": (InvalidData, ": the query fails on a value ({state}); have it leave such values out, or give NULL"),
    "21": (InvalidData, ": the query fails on a value ({state}); have it give one where one is asked for"),
    "26": (InvalidData, ": the query is no single SELECT; mend it"),
    "54": (InvalidData, ": the query is more than the database can do ({state}); make it smaller"),
    "P0": (InvalidData, ": a function that the query calls raises an error of its own ({state}); mend either"),
    "53": (Unavailable, " has no disk, memory or connection left ({state}); it is read again later"),
    "57014": (Unavailable, " cancelled the query, as it took too long or somebody asked; it is read again later"),
    "3D": (InvalidData, " is not there; mend the source's url"),
    "28": (InvalidData, " does not let in whom the source's credentials name; mend username or password"),
    "": (Unavailable, " broke off ({state}); it is read again later"),
}
"""By the beginning of a SQLSTATE, the longest that fits."""

_NO_PASSWORD = (
    "passwort-authentifizierung",
    "authentification par mot de passe",
    "autentificación password",
    "autenticazione con password",
    "autenticação do tipo senha",
)
_NO_ROLE = (" rolle ", " rôle ", " rol ", " ruolo ")
_NO_DATABASE = ("existiert nicht", "n'existe pas", "no existe", "non esiste", "não existe")
"""A server speaks its own language until it has let somebody in; these are German, French, Spanish, Italian and
Portuguese."""
_OF_THE_SERVER = re.compile(r"failed: [^:\n]{1,40}:  ")
"""How libpq begins what a server says, in any language."""

_WORDS: tuple[tuple[tuple[str, ...], _Kind, str], ...] = (
    (
        ("root certificate file",),
        InvalidData,
        ": ca.crt of the source's credentials is no certificate; put one there, in PEM",
    ),
    (
        ("certificate verify failed",),
        InvalidData,
        " has a certificate that ran out, or that ca.crt of the source's credentials does not vouch for; mend either",
    ),
    (
        ("does not match host name",),
        InvalidData,
        " has a certificate of another name than the source's url; mend either",
    ),
    (
        ("server does not support ssl",),
        InvalidData,
        " offers no TLS, and the source demands it; have the server offer it",
    ),
    (
        ("resolve host", "translate host name"),
        Unavailable,
        ": nobody knows that host; mend the source's url, or see whether names are resolved",
    ),
    (
        ("too many c", "starting up", "shutting down", "recovery mode", "connection slots"),
        Unavailable,
        " lets nobody in now; it is asked again later",
    ),
    (
        (
            "authentication failed",
            "no password supplied",
            "pg_hba.conf",
            "role ",
            "not permitted to log in",
            *_NO_PASSWORD,
            *_NO_ROLE,
        ),
        InvalidData,
        " does not let in whom the source's credentials name; mend username or password, or the server's rules",
    ),
    (("does not exist", *_NO_DATABASE), InvalidData, " is not there; mend the source's url"),
    (
        ("fatal",),
        Unavailable,
        " turns the connection away; see whether username, password and the source's url are right, or its log",
    ),
    (
        ("connection failed", "timeout"),
        Unavailable,
        " does not answer; see whether it is up, and whether egress lets connections through",
    ),
    (("",), Unavailable, " broke off the connection; it is read again later"),
)
"""Of PostgreSQL's client, before there is a SQLSTATE; the first that fits."""

_SQLITE: tuple[tuple[tuple[str, ...], _Kind, str], ...] = (
    (
        ("readonly", "not authorized", "prohibited"),
        InvalidData,
        ": the query does more than read; take out what writes",
    ),
    (
        ("malformed json", "overflow", "too big", "utf-8"),
        InvalidData,
        ": the query fails on a value; have it leave such values out, or give NULL",
    ),
    (("not a database", "malformed"), InvalidData, " is no SQLite database, or damaged; copy it anew"),
    (("locked", "busy"), Unavailable, " is locked by another process; it is read again later"),
    (
        ("is full",),
        Unavailable,
        " is read by a query that sorts more than the disk has room for; it is read again later",
    ),
    (
        ("i/o error", "unable to open"),
        Unavailable,
        " cannot be opened or read now; see the permissions of its folder, and take it out of WAL mode",
    ),
    (("no such table",), InvalidData, ": the query names a table that there is not; mend it"),
    (("no such column",), InvalidData, ": the query names a column that there is not; mend it"),
    (("no such function",), InvalidData, ": the query names a function that there is not; mend it"),
    (("",), InvalidData, ": the query is no single SELECT that SQLite understands; mend it"),
)


def postgresql_problem(named: str, error: psycopg.Error, before: int | None = None) -> ConsiliaError:
    """``named`` is the database as people know it; ``before``, how many letters were put before their query, where a
    place in it may be told."""
    state = error.sqlstate
    if state is None:
        return _without_state(named, error)
    position = int(error.diag.statement_position or 0) - before if before is not None else 0
    at = f" at character {position}" if position > 0 else ""
    kind, sentence = next(_STATES[state[:length]] for length in range(len(state), -1, -1) if state[:length] in _STATES)
    return kind(named + sentence.format(state=state, at=at))


def _without_state(named: str, error: psycopg.Error) -> ConsiliaError:
    if isinstance(error, psycopg.DataError):  # the client's, of a value that it has no type for
        return InvalidData(f"{named}: the query gives a value that cannot be read; leave it out, or cast it to text")
    said = str(error)
    return _by_words(named, f"{said} (FATAL)" if _OF_THE_SERVER.search(said) else said, _WORDS)


def sqlite_problem(named: str, error: sqlite3.Error) -> ConsiliaError:
    """The same of SQLite."""
    return _by_words(named, str(error), _SQLITE)


def _by_words(named: str, said: str, known: tuple[tuple[tuple[str, ...], _Kind, str], ...]) -> ConsiliaError:
    plain = said.lower()
    kind, sentence = next((kind, sentence) for words, kind, sentence in known if any(word in plain for word in words))
    return kind(named + sentence)
