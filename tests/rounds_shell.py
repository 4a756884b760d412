"""A shell that carries out the actions of the rounds at once, for their tests."""

from consilia.rounds import (
    Action,
    Aggregated,
    Combine,
    Deadline,
    Declined,
    Desired,
    Event,
    Exchange,
    Joined,
    Lost,
    Ordered,
    Received,
    Run,
    Saved,
    SaveModel,
    State,
    WriteOrder,
    step,
)

ALL = frozenset({"a", "b", "c"})
WISH = Desired(run=1, target=2, quorum=3, hospitals=ALL, suspended=False)
EXCHANGE = Exchange(1, 1, 1, "train", ALL)
EVENTS: tuple[Event, ...] = (
    WISH,
    Joined("a"),
    Lost("a"),
    Ordered(),
    Received("a", EXCHANGE),
    Declined("a", EXCHANGE),
    Deadline(EXCHANGE),
    Aggregated(),
    Saved(),
)
ANSWERS = {Ordered: State.ROUND_SYNC, Aggregated: State.AGGREGATING, Saved: State.FINISHED}


def in_state(state: State) -> Run:
    flying = state in (State.ROUND_SYNC, State.COLLECTING, State.AGGREGATING)
    return Run(
        state,
        number=1,
        target=2,
        quorum=3,
        hospitals=ALL,
        suspended=False,
        joined=ALL,
        exchange=EXCHANGE if flying else None,
    )


class Shell:
    """Carries actions out at once, as the conductor does, and notes them. ``hold`` leaves Combine to the test."""

    def __init__(self, run: Run | None = None, *, hold: bool = False) -> None:
        self.run = run or Run()
        self.hold = hold
        self.done: list[Action] = []

    def tell(self, *events: Event) -> list[Action]:
        before = len(self.done)
        for event in events:
            self._step(event)
        return self.done[before:]

    def join_all(self) -> None:
        self.tell(*(Joined(name) for name in sorted(ALL)))

    def answer_all(self) -> None:
        """Everybody who is awaited answers the exchange in flight."""
        exchange = self.run.exchange
        assert exchange is not None
        self.tell(*(Received(name, exchange) for name in sorted(exchange.awaited)))

    def _step(self, event: Event) -> None:
        self.run, actions = step(self.run, event)
        for action in actions:
            self.done.append(action)
            match action:
                case WriteOrder():
                    self._step(Ordered())
                case Combine() if not self.hold:
                    self._step(Aggregated())
                case SaveModel():
                    self._step(Saved())
