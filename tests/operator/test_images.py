"""Which image runs: the installation's between runs, a spec's at once, and none that is not allowed."""

from typing import Any

import pytest

from consilia_operator.images import (
    CHOSEN_BY,
    INSTALLATION,
    SPEC,
    allowed,
    allowed_prefixes,
    image_of,
    image_problems,
    present_images,
    stamped_images,
)
from consilia_operator.naming import Manifest
from consilia_operator.resources.site import Choice, Site
from consilia_operator.resources.workloads import stateful_set
from sites import IMAGES, settings, site

OURS = "registry.example:5000/consilia-hospital"
UPGRADED = settings(images={name: image.replace(":1.0", ":2.0") for name, image in IMAGES.items()})


def sets_of(made: Site) -> list[Manifest]:
    """The StatefulSets that the cluster has after ``made`` was applied."""
    found = [stateful_set(made, component, "revision") for component in made.components]
    return [each for each in found if each is not None]


def chosen(made: Site, name: str = "hospital-north") -> str | None:
    choice = image_of(made, made.plan.component(name))
    return choice.image if choice is not None else None


@pytest.mark.parametrize(
    ("image", "prefixes", "is_allowed"),
    [
        pytest.param("registry.example/team/agent:1", ["registry.example"], True, id="of a registry"),
        pytest.param("registry.example/team/agent:1", ["registry.example/team"], True, id="of a folder"),
        pytest.param("registry.example/team/agent:1", ["registry.example/team/agent"], True, id="of a repository"),
        pytest.param("registry.example/team/agent@sha256:0", ["registry.example/team/agent"], True, id="by digest"),
        pytest.param("registry.example/team/agent", ["registry.example/team/agent"], True, id="without a tag"),
        pytest.param("registry.example/team/agent:1", ["registry.example/team/agent:1"], True, id="this very one"),
        pytest.param("registry.example/team/agent:11", ["registry.example/team/agent:1"], False, id="half a tag"),
        pytest.param("registry.example/teams/agent", ["registry.example/team"], False, id="half a folder"),
        pytest.param("registry.example.evil/agent", ["registry.example"], False, id="half a registry"),
        pytest.param("registry.example-evil/agent", ["registry.example"], False, id="a registry with a hyphen more"),
        pytest.param("agent:1", ["registry.example"], False, id="of the runtime's own registry"),
        pytest.param("agent:1", [], False, id="where nothing is allowed"),
    ],
)
def test_an_image_is_allowed_by_whole_parts_of_its_name(image: str, prefixes: list[str], is_allowed: bool) -> None:
    assert allowed(image, prefixes) is is_allowed


def test_where_the_administrator_says_nothing_the_installations_own_repositories_are_allowed_at_any_tag() -> None:
    prefixes = allowed_prefixes(settings())
    assert set(prefixes) == {f"registry.example:5000/consilia-{name}" for name in IMAGES}
    assert allowed(f"{OURS}:9.9", prefixes)
    assert not allowed("registry.example:5000/consilia-hospital-evil:1", prefixes)


@pytest.mark.parametrize(
    ("image", "prefix"),
    [
        pytest.param("consilia-hospital:1", "consilia-hospital", id="no registry"),
        pytest.param("localhost:5000/agent", "localhost:5000/agent", id="a port, and no tag"),
        pytest.param("r/agent:1@sha256:" + "0" * 64, "r/agent", id="tag and digest"),
    ],
)
def test_a_repository_is_an_image_without_tag_and_digest(image: str, prefix: str) -> None:
    assert allowed_prefixes(settings(images={"hospital": image})) == (prefix,)


def test_the_administrators_list_holds_in_place_of_the_installations_own() -> None:
    assert allowed_prefixes(settings(allowed_images=("registry.example/team",))) == ("registry.example/team",)


def test_without_a_wish_a_pod_runs_the_installations_image() -> None:
    assert chosen(site()) == f"{OURS}:1.0"
    assert chosen(site(), "tracking") == IMAGES["tracking"]


def test_the_hospital_chooses_its_agents_image_and_the_federations_owner_those_of_the_others() -> None:
    made = site(
        agents={"north": {"image": f"{OURS}:2.1"}},
        spec={"coordinator": {"image": "registry.example:5000/consilia-coordinator:3"}},
    )
    assert chosen(made) == f"{OURS}:2.1"
    assert chosen(made, "hospital-south") == f"{OURS}:1.0"
    assert chosen(made, "coordinator") == "registry.example:5000/consilia-coordinator:3"
    assert chosen(made, "broker") == IMAGES["broker"]


def test_a_pod_is_never_made_of_an_image_that_is_not_allowed_and_the_reason_is_said() -> None:
    made = site(namespaces={"north": "clinic"}, agents={"north": {"image": "evil.example/miner:1"}})
    assert "hospital-north" not in present_images(sets_of(made))
    (problem,) = image_problems(made)
    assert (problem.component, problem.hospital, problem.reason) == ("hospital-north", "north", "ImageNotAllowed")
    assert problem.message.startswith(
        'Cohort clinic/north-2024, spec.agent.image: image "evil.example/miner:1" is not one that the administrator '
        "allows: take one of registry.example:5000/consilia-broker or "
    )
    assert "image.allowed" in problem.message


def test_the_problem_of_a_federations_own_image_names_its_field() -> None:
    (problem,) = image_problems(site(spec={"broker": {"image": "evil.example/miner:1"}}))
    assert problem.hospital is None
    assert problem.message.startswith("Federation consortium/breast-cancer, spec.broker.image: image ")


def test_a_wish_that_is_not_allowed_leaves_what_runs_and_the_right_one_is_followed() -> None:
    running = present_images(sets_of(site()))
    wrong = site(agents={"north": {"image": "evil.example/miner:1"}}, present=running)
    assert chosen(wrong) == f"{OURS}:1.0"
    (problem,) = image_problems(wrong)
    assert problem.reason == "ImageKept", "what goes on is no reason to block anything"
    assert problem.message.endswith(f"; until then the pod keeps {OURS}:1.0")
    still = present_images(sets_of(wrong))
    assert still["hospital-north"] == Choice(f"{OURS}:1.0", INSTALLATION)
    right = site(agents={"north": {"image": f"{OURS}:2.1"}}, present=still)
    assert chosen(right) == f"{OURS}:2.1"
    assert image_problems(right) == []


def test_an_image_that_is_allowed_no_more_does_not_go_on() -> None:
    wish = {"north": {"image": "other.example/agent:1"}}
    once = site(agents=wish, installation=settings(allowed_images=("other.example",)))
    made = site(agents=wish, present=present_images(sets_of(once)))
    assert chosen(made) is None


@pytest.mark.parametrize(
    ("status", "image"),
    [
        pytest.param({"phase": "Training", "round": 3}, f"{OURS}:1.0", id="in a run"),
        pytest.param({"phase": "Stopping", "round": 3}, f"{OURS}:1.0", id="in its last round"),
        pytest.param({"phase": "Registration", "round": 3}, f"{OURS}:1.0", id="in a run that waits for its quorum"),
        pytest.param({"phase": "Registration", "round": 0}, f"{OURS}:2.0", id="before the first round"),
        pytest.param({"phase": "Idle", "round": 3}, f"{OURS}:2.0", id="at rest"),
        pytest.param({"phase": "Complete", "round": 10}, f"{OURS}:2.0", id="complete"),
        pytest.param({}, f"{OURS}:2.0", id="new"),
    ],
)
def test_an_upgrade_reaches_the_pods_between_runs(status: dict[str, Any], image: str) -> None:
    sets = sets_of(site())
    upgraded = site(installation=UPGRADED, stamped=stamped_images(sets, status), present=present_images(sets))
    assert {choice.image for choice in present_images(sets_of(upgraded)).values() if "hospital" in choice.image} == {
        image
    }


def test_a_hospital_that_joins_in_mid_run_gets_the_new_image_and_the_others_keep_theirs() -> None:
    stamped = stamped_images(sets_of(site()), {"phase": "Training"})
    made = site(hospitals=("north", "south", "west"), installation=UPGRADED, stamped=stamped)
    assert chosen(made) == f"{OURS}:1.0"
    assert chosen(made, "hospital-west") == f"{OURS}:2.0"


def test_an_image_of_the_spec_is_followed_in_mid_run_and_left_again() -> None:
    sets = sets_of(site())
    wished = site(agents={"north": {"image": f"{OURS}:2.1"}}, stamped=stamped_images(sets, {"phase": "Training"}))
    assert chosen(wished) == f"{OURS}:2.1"
    stamped = stamped_images(sets_of(wished), {"phase": "Training"})
    assert "hospital-north" not in stamped, "an image that a spec chose is no installation's to keep"
    assert chosen(site(installation=UPGRADED, stamped=stamped)) == f"{OURS}:2.0"


def test_a_stateful_set_tells_who_chose_its_image_without_a_new_pod() -> None:
    (north,) = [each for each in sets_of(site()) if each["metadata"]["name"].endswith("-north")]
    assert north["metadata"]["annotations"] == {CHOSEN_BY: INSTALLATION}
    assert CHOSEN_BY not in north["spec"]["template"]["metadata"]["annotations"]
    wished = sets_of(site(agents={"north": {"image": f"{OURS}:2.1"}}))
    assert present_images(wished)["hospital-north"] == Choice(f"{OURS}:2.1", SPEC)
