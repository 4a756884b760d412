"""What PostgreSQL says before it lets anybody in, when it speaks its own language and there is no SQLSTATE."""

import psycopg
import pytest

from consilia.errors import ConsiliaError, InvalidData, Unavailable
from consilia_agents.sources.database_errors import postgresql_problem
from refused_sources import sentence_of

SAID = 'connection failed: connection to server at "127.0.0.1", port 5432 failed: '
TURNED_AWAY = " turns the connection away; see whether username, password and the source's url are right, or its log"
NOT_LET_IN = " does not let in whom the source's credentials name"


@pytest.mark.parametrize(
    ("said", "kind", "expected"),
    [
        pytest.param(
            "FATAL:  Passwort-Authentifizierung für Benutzer »Zaphod« fehlgeschlagen", InvalidData, NOT_LET_IN, id="de"
        ),
        pytest.param(
            "FATAL:  authentification par mot de passe échouée pour l'utilisateur  « Zaphod »",
            InvalidData,
            NOT_LET_IN,
            id="fr",
        ),
        pytest.param(
            'FATAL:  kein pg_hba.conf-Eintrag für Host "10.0.0.1", Benutzer »Zaphod«',
            InvalidData,
            NOT_LET_IN,
            id="rules",
        ),
        pytest.param("FATAL:  Datenbank »Zaphod« existiert nicht", InvalidData, " is not there", id="no database"),
        pytest.param("FATAL:  Rolle »Zaphod« existiert nicht", InvalidData, NOT_LET_IN, id="no role, de"),
        pytest.param("FATAL:  le rôle « Zaphod » n'existe pas", InvalidData, NOT_LET_IN, id="no role, fr"),
        pytest.param("FATAL:  no existe el rol «Zaphod»", InvalidData, NOT_LET_IN, id="no role, es"),
        pytest.param('FATALE:  il ruolo "Zaphod" non esiste', InvalidData, NOT_LET_IN, id="no role, it"),
        pytest.param('FATAL:  role "Zaphod" não existe', InvalidData, NOT_LET_IN, id="no role, pt"),
        pytest.param('致命错误:  用户 "Zaphod" Password 认证失败', Unavailable, TURNED_AWAY, id="zh"),
        pytest.param("ВАЖНО:  пользователь Zaphod не прошёл проверку", Unavailable, TURNED_AWAY, id="ru"),
        pytest.param("FATAL:  sorry, too many clients already", Unavailable, " lets nobody in now", id="too many"),
        pytest.param("Connection refused\n\tIs the server running?", Unavailable, " does not answer", id="nobody"),
    ],
)
def test_what_a_server_says_before_it_lets_in_is_understood_in_its_language(
    said: str, kind: type[ConsiliaError], expected: str
) -> None:
    problem = postgresql_problem("hospital north: the database", psycopg.OperationalError(SAID + said))
    assert type(problem) is kind
    assert sentence_of(problem).startswith(f"hospital north: the database{expected}")
