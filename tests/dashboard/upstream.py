"""A fake of everything the dashboard talks to: a federation of five hospitals, its API and its coordinator.

``Upstream`` is told what happens (``begin``, ``commit``, ``lose`` ...) and serves it over real HTTPS.
"""

import functools
import json
import math
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fake_kubernetes import FakeKubernetes, StatusError
from upstream_server import Server, place_of

from consilia import tokens
from consilia.pki import make_authority
from consilia.privacy.accounting import Loss
from consilia.privacy.noise_plan import Ask, NoisePlan
from deadline import eventually

Document = dict[str, Any]
STATUS_SECONDS = 1.0  # the object's status is written this often at most, as the operator does
DELTA = 1e-5
BUDGET = 4.0
NAMES = ("harbour", "hillcrest", "lakeside", "north", "riverside")


class Upstream:
    """One federation of five hospitals, with its API and its coordinator."""

    def __init__(self, name: str = "breast-cancer", public_key: bytes | None = None) -> None:
        self.name = name
        self.changed = threading.Condition()
        self.journal: list[tuple[str, Document]] = []
        self.patches: list[Document] = []
        self.refusal: tuple[int, str] | None = None
        self.present = True
        self.answers = True
        self.streams = 0
        self.requests: list[str] = []
        self.api_token = "api-token-1"
        self.public_key = public_key
        self.spec: Document = {
            "rounds": 10,
            "suspend": False,
            "quorum": 5,
            "privacy": {"epsilon": 0.0},
            "hospitals": [{"name": each, "cohort": {"name": each}} for each in NAMES],
        }
        self.status = idle_status()
        self.holdout = "exact"  # of a private run: exact, noised (after the last round), or banded (every round)
        self.uid = "uid-1"
        self.api = FakeKubernetes()
        self.closed = False
        self.written_at = 0.0
        self.endpoints: Document = {}
        self.server = Server(self, tls())
        self.url = f"https://localhost:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.closed = True
        self.hang_up()
        # Followers that were closed finish first: of a connection that is reset before its handshake Python 3.11's ssl
        # leaves the socket to the garbage collector, which warns of it in whatever test runs then.
        eventually(lambda: not following(), what=lambda: str(following()))
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    # What happens ------------------------------------------------------------------------------------------------

    def tell(self, event: str, document: Document) -> None:
        with self.changed:
            self.journal.append((event, json.loads(json.dumps(document))))
            self.changed.notify_all()

    def become(self, **status: Any) -> None:
        """Change the status, and tell it."""
        with self.changed:
            self.status.update(status)
            self.status["connected"] = sum(h["phase"] not in ("Pending", "Lost", "Refused") for h in self.hospitals)
            self.tell("status", self.status)

    def happen(self, reason: str, message: str, kind: str = "Normal") -> None:
        self.tell("event", {"at": now(), "type": kind, "reason": reason, "message": message})

    def hospital(self, name: str, **fields: Any) -> None:
        """Change one hospital's row, and tell the status."""
        for each in self.hospitals:
            if each["name"] == name:
                each.update(fields)
        self.become()

    @property
    def hospitals(self) -> list[Document]:
        return self.status["hospitals"]  # type: ignore[no-any-return]

    def join(self, *names: str) -> None:
        for name in names or NAMES:
            self.hospital(name, phase="Ready", lastSeen=now())

    def protect(self, epsilon: float = 1.0, holdout: str = "exact") -> None:
        """From now on runs are private, and hospitals' cohorts have a budget of 4."""
        self.spec["privacy"] = {"epsilon": epsilon, "delta": DELTA}
        self.holdout = holdout
        self.become(private=True)
        self.spend(0)

    def learn_a_number(self) -> None:
        """From now on the label is a number."""
        self.spec["model"] = {"kind": "LinearRegression"}
        self.become(numeric=True)

    def scored(self, number: int, index: int) -> Document:
        told = scores(number, index)
        return {"r2": 2 * told["accuracy"] - 1, "loss": told["loss"] / 100} if self.status.get("numeric") else told

    @property
    def epsilon(self) -> float:
        return float(self.spec["privacy"]["epsilon"])

    def spend(self, rounds: int) -> None:
        """Account for so many rounds of a private run, as hospitals do."""
        plan = NoisePlan.of(Ask(self.epsilon, DELTA, 1.0, self.status["rounds"], len(NAMES), 455))
        loss = Loss.of(plan.train.event, rounds) if rounds else Loss()
        spent, replacing = loss.epsilon(DELTA), loss.replacing(DELTA)
        self.status["privacy"] = {
            "epsilon": self.epsilon,
            "delta": DELTA,
            "epsilonSpent": spent,
            "epsilonReplaceOne": replacing,
            "holdout": "exact" if self.holdout == "exact" else "noised",
        }
        before = self.epsilon * max(self.status["run"] - 1, 0)
        for each in self.hospitals:
            each["ledger"] = {
                "sequence": rounds,
                "head": "0" * 64,
                "spent": before + spent,
                "remaining": max(0.0, BUDGET - before - spent),
                "budget": BUDGET,
                "delta": DELTA,
                "runSpent": spent,
                "runReplacing": replacing,
                "exact": self.holdout == "exact",
            }
        self.become()

    def begin(self, run: int = 1) -> None:
        self.status.update(private=self.epsilon > 0, privacy=None)
        self.status.update(run=run, round=0, rounds=self.spec["rounds"], model=None, metrics=None, startedAt=now())
        self.join()
        if self.epsilon:
            self.spend(0)
        self.become(phase="Training", state="Collecting", mlflow={"runId": "4f1d", "url": "http://localhost:5000/#/1"})
        told = f"epsilon {self.epsilon}" if self.epsilon else "NON-PRIVATE"
        self.happen("Started", f"run {run}: {self.spec['rounds']} rounds, quorum 5, {told}")
        self.happen("QuorumReached", "5 of 5 hospitals joined")

    def commit(self, number: int | None = None) -> None:
        """Commit the next round."""
        number = number or self.status["round"] + 1
        told = {name: self.told(number, index) for index, name in enumerate(NAMES, 1)}
        for each in self.hospitals:
            if each["phase"] not in ("Lost", "Refused", "Pending"):
                each.update(told[each["name"]], phase="Training", round=number, lastSeen=now())
        overall = self.scored(number, 0)
        record = {"run": self.status["run"], "round": number, "at": now(), "seconds": 0.03, "participants": list(NAMES)}
        self.tell("round", {**record, "metrics": overall, "hospitals": {}})
        self.tell("round", {**record, "metrics": overall, "hospitals": told})
        if self.epsilon:
            self.spend(number)
        self.become(round=number, rounds=self.spec["rounds"], metrics=overall, secondsPerRound=0.03)

    def told(self, number: int, index: int) -> Document:
        """What a hospital tells of a round: rows only where nothing is private, errors where scores are noised."""
        if not self.epsilon:
            return {"rows": 101, **self.scored(number, index)}
        if self.holdout == "exact":
            return self.scored(number, index)
        if self.holdout == "noised" and number < self.status["rounds"]:
            return {}
        return noised(self.scored(number, index), index)

    def complete(self) -> None:
        model = {"name": self.name, "version": "3", "uri": f"models:/{self.name}/3"}
        for each in self.hospitals:
            each["phase"] = "Ready" if each["phase"] == "Training" else each["phase"]
        self.become(phase="Complete", state="Finished", model=model, completedAt=now())
        self.happen("Complete", f"run {self.status['run']} finished {self.status['round']} rounds")

    def lose(self, name: str, reason: str = "connection closed") -> None:
        self.hospital(name, phase="Lost", reason=f"lost since round {self.status['round']} ({reason})")
        self.happen("HospitalLost", f"{name}: {reason}; rounds go on with quorum 4", "Warning")

    def refuse(self, name: str) -> None:
        """Too little is left of a hospital's budget, so that no run begins, as the operator tells it."""
        left = "0.6 of 4 remains; ask the hospital, or lower spec.privacy.epsilon to 0.6"
        why = f"Cohort {name}/{name}-2024: this run asks for epsilon {self.epsilon:g}, {left}"
        told = {"type": "PrivacyBudgetAvailable", "status": "False", "reason": "BudgetExceeded"}
        self.hospital(name, phase="Refused", problem="BudgetExceeded", reason=why)
        self.become(
            phase="Blocked",
            message=f"the quorum of 5 cannot be reached: {name}: {why}",
            conditions=[{**told, "message": f"{name}: {why}"}],
        )

    def hang_up(self) -> None:
        """The coordinator goes away: open streams end, new ones are refused."""
        with self.changed:
            self.answers = False
            self.changed.notify_all()

    def come_back(self) -> None:
        with self.changed:
            self.answers = True

    @contextmanager
    def training(self, every: float = 0.05, rounds: int = 10**6) -> Iterator[None]:
        """Rounds commit by themselves, and Start, Stop and Rounds do what they say."""
        done = threading.Event()

        def live() -> None:
            while not done.wait(every):
                self.step(rounds)

        thread = threading.Thread(target=live, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def step(self, rounds: int = 10**6) -> None:
        """One move of a small coordinator."""
        phase, suspended = self.status["phase"], self.spec["suspend"]
        wanted = self.spec.get("run") or 1
        if phase == "Training" and suspended:
            self.commit()
            self.become(phase="Idle", state="Idle")
            self.happen("Stopped", f"after round {self.status['round']}")
        elif phase == "Training" and self.status["round"] >= min(self.spec["rounds"], rounds):
            self.complete()
        elif phase == "Training":
            self.commit()
        elif phase == "Idle" and not suspended:
            if self.status["round"]:
                self.become(phase="Training", state="Collecting")
            else:
                self.begin()
        elif phase == "Complete" and not suspended and wanted > self.status["run"]:
            self.begin(wanted)

    # What is served ----------------------------------------------------------------------------------------------

    def federation(self) -> Document:
        return {
            "apiVersion": "consilia.health/v1alpha1",
            "kind": "Federation",
            "metadata": {"name": self.name, "namespace": "default", "uid": self.uid, "resourceVersion": "1"},
            "spec": dict(self.spec),
            "status": {**self.status, "endpoints": {"coordinator": self.url, **MLFLOW, **self.endpoints}},
        }

    def sync(self, at_once: bool = False) -> None:
        """Let the API know the federation as it is now; of its status alone, once a second."""
        with self.changed:
            if not self.present:
                self.api.delete("default", self.name)
                return
            now = time.monotonic()
            federation = json.loads(json.dumps(self.federation()))
            if at_once or now - self.written_at > STATUS_SECONDS or self._said(federation) != self._written:
                self.written_at, self._written = now, self._said(federation)
                self.api.put(federation)

    _written: object = None

    def _said(self, federation: Document) -> object:
        return federation["spec"], federation["metadata"]["uid"], federation["status"]["phase"], self.endpoints

    def patch(self, spec: Document) -> Document:
        self.patches.append(spec)
        self.spec.update(spec)
        self.sync(at_once=True)
        return self.api.get("default", self.name)

    def patch_of(self, path: str, spec: Document) -> Document:
        """A patch of the federation by its path; refused while ``refusal`` says so."""
        self.api.allow_patch()
        if place_of(path) != ("default", self.name):
            raise StatusError(404, "NotFound", "not found")
        if self.refusal:
            raise StatusError(self.refusal[0], "Invalid", self.refusal[1])
        return self.patch(spec)


MLFLOW = {"mlflow": "http://localhost:5000"}


@functools.cache
def authority() -> Any:
    """The authority of every fake upstream of this process."""
    return make_authority("default/breast-cancer", datetime.now(UTC), days=1)


@functools.cache
def tls() -> ssl.SSLContext:
    """The server's side, under :func:`authority`."""
    certificate = authority().issue(["localhost", "127.0.0.1"], datetime.now(UTC), days=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as both:
        both.write(certificate.cert_pem + certificate.key_pem)
        both.flush()
        context.load_cert_chain(both.name)
    return context


def idle_status() -> Document:
    return {
        "phase": "Idle",
        "state": "Idle",
        "message": "",
        "run": 0,
        "round": 0,
        "rounds": 10,
        "quorum": 5,
        "connected": 0,
        "private": False,
        "metrics": None,
        "secondsPerRound": None,
        "hospitals": [{"name": each, "engine": "sklearn", "phase": "Pending", "reason": None} for each in NAMES],
        "model": None,
        "mlflow": None,
        "conditions": [],
    }


def scores(number: int, index: int) -> Document:
    """Plausible scores that converge; ``index`` 0 is the global model."""
    noise = 0.012 * math.sin(number * 7 + index * 5) * (index > 0)
    gain = 1 - math.exp(-number / (3.5 + index * 0.6))
    accuracy = min(1.0, 0.63 + (0.342 - index * 0.009) * gain + noise)
    return {
        "accuracy": accuracy,
        "loss": 0.69 - (0.585 - index * 0.012) * gain - noise,
        "precision": min(1.0, accuracy + 0.011),
        "recall": min(1.0, accuracy - 0.019),
        "auc": min(1.0, accuracy + 0.03),
    }


def noised(exact: Document, index: int) -> Document:
    """Scores of a large holdout, each with its error; the last hospital's is small, and its recall hidden."""
    error = 0.021 + 0.006 * index
    told = {name: exact[name] for name in ("accuracy", "loss", "precision", "recall")}
    errors = {"accuracy": error, "loss": error * 1.4, "precision": error * 1.2, "recall": error * 1.6}
    if index == len(NAMES):
        del told["recall"], errors["recall"]
        return {**told, "errors": errors, "hidden": ["recall"]}
    return {**told, "errors": errors}


def now() -> str:
    return datetime.now(UTC).isoformat()


def write_settings(upstream: Upstream, folder: Path, port: int, login_token: str) -> dict[str, str]:
    """The environment of a dashboard before ``upstream``; its files go to ``folder``."""
    private, upstream.public_key = tokens.generate_keypair()
    (folder / "signing.pem").write_bytes(private)
    (folder / "ca.crt").write_bytes(authority().cert_pem)
    (folder / "api-token").write_text(upstream.api_token + "\n")
    (folder / "login-token").write_text(login_token + "\n")
    return {
        "CONSILIA_API_URL": upstream.url,
        "CONSILIA_API_TOKEN_FILE": str(folder / "api-token"),
        "CONSILIA_API_CA_FILE": str(folder / "ca.crt"),
        "CONSILIA_SIGNING_KEY_FILE": str(folder / "signing.pem"),
        "CONSILIA_CA_FILE": str(folder / "ca.crt"),
        "CONSILIA_LOGIN_TOKEN_FILE": str(folder / "login-token"),
        "CONSILIA_HTTP_PORT": str(port),
    }


def following() -> list[str]:
    """The threads of followers that have not ended."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(("object of", "coordinator of"))]
