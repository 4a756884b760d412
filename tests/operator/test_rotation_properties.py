"""Nobody is ever locked out: an operator killed between any two writes, pods that come up in any order or never, files
that change under running pods or do not, secrets deleted by hand, hospitals that come, go, and move their pods."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from consilia.plan import account_secret
from consilia_operator.naming import Manifest
from consilia_operator.resources.certificates import split
from rotating import Rotating

ALL = ("harbor", "hillview", "north", "riverside")
COMPONENTS = ("broker", "coordinator", "tracking", *(f"hospital-{name}" for name in ALL))
components = st.sampled_from(COMPONENTS)


class Rotations(RuleBasedStateMachine):
    """The cluster does one thing at a time; an operator's reconcile is many of them, with anything in between."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Rotating(hospitals=("north", "riverside"))
        self.world.settle()
        self.left: list[Manifest] = []
        self.manifests: list[Manifest] = []
        self.gone: set[str] = set()

    @rule()
    def an_operator_reads_and_decides(self) -> None:
        """Also in place of one that was killed: what that one had still to write is forgotten."""
        self.manifests = self.world.wished()
        self.left = list(self.manifests)

    @rule(writes=st.integers(1, 40))
    def it_writes(self, writes: int) -> None:
        for _ in range(min(writes, len(self.left))):
            self.world.write(self.left.pop(0))
            assert self.world.locked_out() == []
        if not self.left and self.manifests:
            self.world.prune(self.manifests)
            self.manifests = []

    @rule(component=components)
    def a_pod_is_made_from_the_template(self, component: str) -> None:
        """Replaced by its StatefulSet, evicted, or its node lost."""
        if component in self.world.templates:
            self.world.start(component)

    @rule(component=components, ready=st.booleans())
    def a_pod_becomes_ready_or_is_no_longer(self, component: str, ready: bool) -> None:
        if component in self.world.pods:
            self.world.ready(component, ready)

    @rule(component=components)
    def the_kubelet_brings_files_up_to_date(self, component: str) -> None:
        if component in self.world.pods:
            self.world.sync(component)

    @rule()
    def all_workloads_roll(self) -> None:
        self.world.roll()

    @rule(account=st.sampled_from(("coordinator", *ALL)))
    def an_accounts_secret_is_deleted_by_hand(self, account: str) -> None:
        self.world.lose(account_secret(account))

    @rule()
    def the_authoritys_key_is_deleted_by_hand(self) -> None:
        self.world.lose("authority-key")

    @rule(copy=components)
    def a_copy_of_the_authority_is_deleted_by_hand(self, copy: str) -> None:
        site = self.world.site
        namespace = next((c.namespace for c in site.components if c.name == copy), None)
        own, name = self.world.place("authority")
        if namespace not in (None, own):
            self.world.secrets.pop((namespace, name), None)

    @precondition(lambda self: not self.manifests)
    @rule(hospital=st.sampled_from(ALL))
    def a_hospital_joins_or_leaves(self, hospital: str) -> None:
        """For good: one that comes back has a new password, which the broker hears of when its files are brought up."""
        now = self.world.hospitals
        if hospital in now and len(now) > 1:
            self.world.hospitals = tuple(name for name in now if name != hospital)
            self.gone.add(hospital)
        elif hospital not in now and hospital not in self.gone:
            self.world.hospitals = tuple(sorted([*now, hospital]))

    @rule()
    def two_months_pass(self) -> None:
        """After the last rotation was done, as it is long before the next is due."""
        self.all_settles()
        self.world.days(61)

    @rule()
    def all_settles(self) -> None:
        """Whatever happened, what is left to do ends: every account has one password, and one authority is trusted."""
        self.left, self.manifests = [], []
        self.world.settle()
        accounts = self.world.data("accounts")
        assert sorted(accounts) == sorted([".rotation", "coordinator", *self.world.hospitals])
        for account in ("coordinator", *self.world.hospitals):
            assert self.world.lines(account) == [self.world.password(account)]
        (authority,) = split(self.world.data("authority")["ca.crt"])
        for server in ("broker", "coordinator"):
            assert self.world.data(f"{server}-certificate")["ca.crt"] == authority
        assert not any(self.world.outdated(component) for component in self.world.templates)

    @invariant()
    def nobody_is_locked_out(self) -> None:
        assert self.world.locked_out() == []


def test_nobody_is_ever_locked_out_and_every_rotation_ends() -> None:
    run_state_machine_as_test(
        Rotations,
        settings=settings(
            parent=settings(), stateful_step_count=60, suppress_health_check=list(HealthCheck), deadline=None
        ),
    )
