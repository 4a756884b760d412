"""The one Federation of this command, as an API server would hold it: edited, versioned, persisted, watched.

Edits are limited to what Start, Stop and target rounds change. A start of the command decides here whether it goes on
with an interrupted run or begins another.
"""

import asyncio
import json
import uuid
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from consilia.edits import COMMANDED, EDITABLE, next_run
from consilia.errors import DamagedState, Refusal
from consilia.manifest import explain
from consilia.spec import Federation, FederationSpec
from consilia.status import Endpoints, FederationStatus, HospitalStatus, PrivacyStatus
from consilia_local.folder import StateFolder, write_private


class InvalidEdit(Refusal):
    """An edit of the Federation that is not allowed, or that makes it invalid."""


@dataclass(frozen=True)
class Saved:
    """What an earlier start left: the file's spec at that time, the spec as edited since, status and identity."""

    uid: str
    written: FederationSpec
    spec: FederationSpec
    status: FederationStatus


class HeldFederation:
    """The Federation now. ``changed`` is notified after each change of its spec or status."""

    def __init__(
        self, written: Federation, spec: FederationSpec, uid: str, status: FederationStatus, folder: StateFolder
    ) -> None:
        self.endpoints: Endpoints | None = None
        self.name, self.namespace, self.uid = written.metadata.name, written.metadata.namespace, uid
        self.spec = spec
        self.status = status
        self.version = 1
        self.changed = asyncio.Condition()
        self._written = written
        self.folder = folder
        self._persisted: tuple[object, ...] = ()

    @property
    def desired_run(self) -> int:
        """The run that ought to go on: ``spec.run``, or the one there is; a lower ``spec.run`` is ignored."""
        return max(self.spec.run or 1, self.status.run)

    @property
    def is_complete(self) -> bool:
        """Whether the run that is asked for has ended, with its target rounds reached."""
        return self.status.phase == "Complete" and self.status.run >= self.desired_run

    @property
    def shown(self) -> FederationStatus:
        """The status as people should see it: that of the run that is asked for, from before it has begun."""
        return self.status if 0 < self.desired_run <= self.status.run else starting(self.spec, self.desired_run)

    def document(self) -> dict[str, Any]:
        """The Federation as the object API serves it."""
        federation = self._written.model_copy(
            update={"spec": self.spec, "metadata": self._written.metadata.model_copy(update={"uid": self.uid})}
        )
        document = federation.to_json() | {"status": self.status.to_json()}
        document["metadata"]["resourceVersion"] = str(self.version)
        return document

    async def edit(self, patch: object) -> dict[str, Any]:
        """Apply a merge patch (RFC 7396) of ``spec.suspend``, ``rounds`` or ``run``; the document after it.

        Raises :class:`InvalidEdit` with a sentence.
        """
        spec = edited(self.spec, patch)
        if spec != self.spec:
            self.spec = spec
            self.persist()
            await self._announce()
        return self.document()

    async def observe(self, status: FederationStatus) -> None:
        """Take what the coordinator says as the status."""
        status = status.model_copy(update={"endpoints": self.endpoints})
        if status == self.status:
            return
        self.status = status
        if (status.phase, status.run, status.model) != self._persisted:
            self.persist()
        await self._announce()

    def persist(self) -> None:
        """Write spec and status to the state folder."""
        self._persisted = (self.status.phase, self.status.run, self.status.model)
        saved = {
            "written": self._written.spec.to_json(),
            "federation": self.document(),
        }
        write_private(self.folder.federation, json.dumps(saved, indent=1).encode())

    async def nudge(self) -> None:
        """Wake whoever waits for a change, without one."""
        async with self.changed:
            self.changed.notify_all()

    async def _announce(self) -> None:
        self.version += 1
        await self.nudge()


def edited(spec: FederationSpec, patch: object) -> FederationSpec:
    """``spec`` after a merge patch; raises :class:`InvalidEdit`."""
    if not isinstance(patch, dict) or not isinstance(patch.get("spec"), dict):
        raise InvalidEdit('the patch must be {"spec": {..}} with suspend, rounds or run')
    beyond = sorted({*patch} - {"spec"}) + [f"spec.{name}" for name in sorted({*patch["spec"]} - {*COMMANDED})]
    if beyond:
        raise InvalidEdit(f"{beyond[0]} cannot be edited here: only spec.suspend, spec.rounds and spec.run can")
    merged = spec.to_json()
    for name, value in patch["spec"].items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    try:
        return FederationSpec.model_validate(merged)
    except ValidationError as error:
        raise InvalidEdit(f"spec.{explain(error)}") from error


def starting(spec: FederationSpec, run: int) -> FederationStatus:
    """What is known of a run before its coordinator says anything."""
    return FederationStatus(
        message="starting the broker, the coordinator and the hospitals",
        run=run,
        task=spec.task,
        rounds=spec.target,
        quorum=spec.effective_quorum(),
        private=spec.privacy.private,
        privacy=PrivacyStatus(epsilon=spec.privacy.epsilon, delta=spec.privacy.delta) if spec.privacy.private else None,
        hospitals=[HospitalStatus(name=name) for name in spec.hospital_names],
    )


def hold(written: Federation, folder: StateFolder) -> HeldFederation:
    """The Federation of the file ``written``, with what an earlier start left."""
    saved = load(folder)
    if saved is None:
        uid = written.metadata.uid or str(uuid.uuid4())
        return HeldFederation(written, written.spec, uid, FederationStatus(), folder)
    return HeldFederation(written, next_spec(written.spec, saved), saved.uid, saved.status, folder)


def next_spec(written: FederationSpec, saved: Saved) -> FederationSpec:
    """The spec to go on with.

    A run that was interrupted goes on with the edits made to it, unless the file changed the same field since. One
    that was complete, or that the file has changed beyond what holds in mid-run, is followed by a new run.
    """
    run = saved.status.run
    if run == 0:
        return written
    if saved.status.phase == "Complete" or _experiment(written) != _experiment(saved.written):
        return written.model_copy(update={"run": next_run(written.run, run), "suspend": False})
    kept = {
        name: getattr(saved.spec, name) for name in COMMANDED if getattr(written, name) == getattr(saved.written, name)
    }
    return written.model_copy(update=kept)


def load(folder: StateFolder) -> Saved | None:
    """What an earlier start left in ``folder``, or None. Raises :class:`DamagedState` where it does not read."""
    try:
        saved = json.loads(folder.federation.read_bytes())
        federation = Federation.model_validate(saved["federation"])
        return Saved(
            uid=str(federation.metadata.uid),
            written=FederationSpec.model_validate(saved["written"]),
            spec=federation.spec,
            status=FederationStatus.model_validate(federation.status or {}),
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedState(
            f"{folder.federation} does not read back as it was written: remove {folder.root} to begin anew"
        ) from error


def _experiment(spec: FederationSpec) -> dict[str, Any]:
    return spec.model_dump(exclude={*EDITABLE, "run"})
