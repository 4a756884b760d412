"""Nobody is ever locked out: an operator killed between any two writes, pods that come up in any order or never, files
that change under running pods or do not, secrets deleted by hand, hospitals that come, go, and move their pods."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from consilia.plan import account_secret
from consilia_operator.naming import Manifest, object_name
from rotating import Rotating

ALL = ("harbor", "hillview", "north", "riverside")
which = st.integers(0, len(ALL) + 2)
"""Which of the components that are there, counted round and round."""


class Rotations(RuleBasedStateMachine):
    """The cluster does one thing at a time; an operator's reconcile is many of them, with anything in between."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Rotating(hospitals=("north", "riverside"))
        self.world.settle()
        self.world.days(61)
        self.left: list[Manifest] = []
        self.decided: list[Manifest] = []
        self.gone: set[str] = set()

    def component(self, number: int) -> str:
        there = sorted(self.world.templates)
        return there[number % len(there)]

    @rule(killed_after=st.none() | st.integers(0, 20))
    def an_operator_reconciles(self, killed_after: int | None) -> None:
        """Also in place of one that was killed: what that one had still to write is forgotten."""
        self.decided = self.world.wished()
        self.left = list(self.decided)
        self._write(len(self.left) if killed_after is None else killed_after)

    @precondition(lambda self: self.left)
    @rule(writes=st.integers(1, 20))
    def the_same_operator_goes_on(self, writes: int) -> None:
        """With what it had read before whatever happened meanwhile."""
        self._write(writes)

    def _write(self, writes: int) -> None:
        for _ in range(min(writes, len(self.left))):
            self.world.write(self.left.pop(0))
            assert self.world.locked_out() == []
        if not self.left:
            self.world.prune(self.decided)

    @rule(number=which)
    def a_pod_is_made_from_the_template(self, number: int) -> None:
        """Replaced by its StatefulSet, evicted, or its node lost."""
        self.world.start(self.component(number))

    @rule(number=which, ready=st.sampled_from([True, True, True, False]))
    def a_pod_becomes_ready_or_is_no_longer(self, number: int, ready: bool) -> None:
        if self.component(number) in self.world.pods:
            self.world.ready(self.component(number), ready)

    @rule(numbers=st.sets(which))
    def some_workloads_roll(self, numbers: set[int]) -> None:
        self.world.roll({self.component(number) for number in numbers})

    @rule()
    def all_workloads_roll(self) -> None:
        self.world.roll()

    @rule(number=which)
    def the_kubelet_brings_files_up_to_date(self, number: int) -> None:
        if self.component(number) in self.world.pods:
            self.world.sync(self.component(number))

    @rule(account=st.sampled_from(("coordinator", *ALL)))
    def an_accounts_secret_is_deleted_by_hand(self, account: str) -> None:
        self.world.lose(account_secret(account))

    @rule()
    def the_authoritys_key_is_deleted_by_hand(self) -> None:
        self.world.lose("authority-key")

    @rule(hospital=st.sampled_from(ALL))
    def a_copy_of_the_authority_is_deleted_by_hand(self, hospital: str) -> None:
        for component in self.world.site.components:
            if component.hospital == hospital:
                name = object_name(self.world.site.federation, "authority", component.namespace)
                self.world.secrets.pop((component.namespace, name), None)

    @precondition(lambda self: not self.left)
    @rule(hospital=st.sampled_from(ALL))
    def a_hospital_joins_or_leaves(self, hospital: str) -> None:
        """For good: one that comes back has a new password, which the broker hears of when its files are brought up."""
        now = self.world.hospitals
        if hospital in now and len(now) > 1:
            self.world.hospitals = tuple(name for name in now if name != hospital)
            self.gone.add(hospital)
        elif hospital not in now and hospital not in self.gone:
            self.world.hospitals = tuple(sorted([*now, hospital]))

    @precondition(lambda self: not self.world.unfinished())
    @rule()
    def two_months_pass(self) -> None:
        """After the last rotation was done, as it is long before the next is due."""
        self.world.days(61)

    @invariant()
    def nobody_is_locked_out(self) -> None:
        assert self.world.locked_out() == []

    def teardown(self) -> None:
        """Whatever happened, what is left to do ends: every account has one password, and one authority is trusted."""
        self.world.settle()
        assert not self.world.unfinished()
        assert self.world.locked_out() == []
        accounts = self.world.data("accounts")
        assert sorted(accounts) == sorted([".rotation", "coordinator", *self.world.hospitals])
        for account in ("coordinator", *self.world.hospitals):
            assert self.world.lines(account) == [self.world.password(account)]


def test_nobody_is_ever_locked_out_and_every_rotation_ends() -> None:
    run_state_machine_as_test(
        Rotations, settings=settings(stateful_step_count=50, suppress_health_check=list(HealthCheck))
    )
