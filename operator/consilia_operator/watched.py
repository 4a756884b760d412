"""All that the watches told, so that what is known is not asked for again."""

from dataclasses import dataclass, field

from consilia_operator.children import Children
from consilia_operator.cohorts import Cohorts
from consilia_operator.federations import Federations
from consilia_operator.naming import Manifest


@dataclass(frozen=True)
class Watched:
    """What is there, as it was seen last."""

    federations: Federations = field(default_factory=Federations)
    cohorts: Cohorts = field(default_factory=Cohorts)
    children: Children = field(default_factory=Children)

    def see(self, gone: bool, manifest: Manifest) -> None:
        """One object as it is now, or as it was when it went."""
        stores: dict[str, Federations | Cohorts | Children] = {"Federation": self.federations, "Cohort": self.cohorts}
        store = stores.get(manifest["kind"], self.children)
        if gone:
            store.lose(manifest)
        else:
            store.see(manifest)

    def all(self) -> list[Manifest]:
        """Everything that is kept."""
        return [*self.federations.all(), *self.cohorts.all().values(), *self.children.all()]
