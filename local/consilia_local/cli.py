"""The ``consilia`` command. Exit codes: 0 done, 2 for what the user wrote, 1 for failures, 130 for Ctrl-C.

Only the standard library is imported before the nursery of a run is opened: its imports are the longest part of a
start, and everything else happens meanwhile.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from consilia.errors import ConsiliaError, Refusal, Unavailable
from consilia_local.legible import legible

if TYPE_CHECKING:
    from rich.console import RenderableType

    from consilia.manifest import Manifest

BEGAN = time.monotonic()
ENVIRONMENT = """\
environment, for what the file leaves open:
  MIN_AGENTS     fewest hospitals of a round, where spec.quorum is absent (default: all)
  DP_EPSILON     the most that a run may ask of a hospital here, and no NON-PRIVATE run; 0 (default): no cap
  DP_CLIP_NORM   the clip norm, where spec.privacy.clipNorm is absent (default: 1)
  USE_SPARK      true: all hospitals compute with Spark, which needs Java 17 (default: those of engine: spark)
  XMPP_SERVER    the broker's name, which must be one of this machine's loopback (default: localhost)
"""
DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.verb(options)
    except Refusal as refusal:
        sys.stderr.write(f"{legible(str(refusal))}\n")
        return REFUSED
    except ConsiliaError as error:
        sys.stderr.write(f"{legible(str(error))}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has gone; nothing is left to say, not even at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return code


def _run(options: argparse.Namespace) -> int:
    from consilia_local.launcher import open_nursery, require_linux  # noqa: PLC0415 - see the module

    require_linux()
    nursery = open_nursery()
    try:
        from consilia_local.run import RunOptions, run  # noqa: PLC0415 - see the module

        return run(
            RunOptions(
                file=options.file,
                broker=options.broker,
                state=options.state,
                dashboard=options.dashboard,
                mlflow=options.mlflow,
                exit=options.exit,
                dashboard_port=options.dashboard_port,
                mlflow_port=options.mlflow_port,
                broker_port=options.broker_port,
                coordinator_port=options.coordinator_port,
            ),
            nursery,
            BEGAN,
        )
    finally:
        nursery.abandon()


def _validate(options: argparse.Namespace) -> int:
    from consilia_local.manifest_file import read_manifest  # noqa: PLC0415
    from consilia_local.verbs import validate  # noqa: PLC0415

    for line in validate(read_manifest(options.file), os.environ):
        _say(line)
    return DONE


def _status(options: argparse.Namespace) -> int:
    from consilia_local.tables import status_view  # noqa: PLC0415
    from consilia_local.verbs import status  # noqa: PLC0415

    headline, found = status(_name(options), options.state)
    _show(headline, status_view(found))
    return DONE


def _privacy_plan(options: argparse.Namespace) -> int:
    from consilia.manifest import only_federation  # noqa: PLC0415
    from consilia_local.manifest_file import read_manifest  # noqa: PLC0415
    from consilia_local.verbs import privacy_plan  # noqa: PLC0415
    from consilia_local.wording import headline  # noqa: PLC0415

    manifest = read_manifest(options.file)
    federation = only_federation(manifest, str(options.file))
    view = privacy_plan(manifest, str(options.file), options.state, os.environ)
    _show(headline(federation, federation.spec), view)
    return DONE


def _data_check(options: argparse.Namespace) -> int:
    from consilia_local.data_check import check  # noqa: PLC0415
    from consilia_local.data_tables import checked_view  # noqa: PLC0415
    from consilia_local.manifest_file import read_manifest  # noqa: PLC0415
    from consilia_local.reading import watched_reading  # noqa: PLC0415

    manifest = read_manifest(options.file)
    with watched_reading(sys.stderr) as reading:
        found = check(manifest, options.file, options.hospital, os.environ, reading)
    for each in found:
        _show("", checked_view(each))
    return DONE if all(each.accepted for each in found) else FAILED


def _data_shard(options: argparse.Namespace) -> int:
    from consilia.wording import counted  # noqa: PLC0415
    from consilia_local.sharding import Cut, cut  # noqa: PLC0415

    how = Cut(
        of=options.shards,
        label=options.label,
        positive=options.positive,
        delimiter=options.delimiter,
        alpha=options.alpha,
        seed=options.seed,
    )
    for path, rows in cut(options.file, options.into, how):
        _say(f"{path}: {counted(rows, 'row')}")
    return DONE


def _ledger_show(options: argparse.Namespace) -> int:
    from consilia_local.verbs import ledger_show  # noqa: PLC0415

    for given in options.ledger:
        _show("", ledger_show(given, options.state, _manifest(options)))
    return DONE


def _ledger_verify(options: argparse.Namespace) -> int:
    from consilia.errors import InvalidSetting  # noqa: PLC0415
    from consilia_local.verbs import ledger_verify, read_witness  # noqa: PLC0415

    witness = read_witness(options.witness) if options.witness else None
    if witness is not None and len(options.ledger) > 1:
        raise InvalidSetting(f"--witness is of one ledger, and {len(options.ledger)} are given: verify them one by one")
    code = DONE
    for given in options.ledger:
        try:
            _say(ledger_verify(given, options.state, _manifest(options), witness))
        except Unavailable as error:
            sys.stderr.write(f"{legible(str(error))}\n")
            code = FAILED
    return code


def _manifest(options: argparse.Namespace) -> "Manifest | None":
    from consilia_local.manifest_file import read_manifest  # noqa: PLC0415

    return read_manifest(options.manifest) if options.manifest else None


def _show(headline: str, view: "RenderableType") -> None:
    from rich.console import Console  # noqa: PLC0415

    from consilia_local.tables import inert  # noqa: PLC0415

    seen = sys.stdout.isatty()
    console = Console(width=None if seen else 110, no_color=None if seen else True)
    if headline:
        console.print(inert(headline), soft_wrap=True)
        console.print()
    console.print(view)


def _start(options: argparse.Namespace) -> int:
    from consilia_local.verbs import start  # noqa: PLC0415

    _say(start(_name(options), options.state, options.rounds))
    return DONE


def _stop(options: argparse.Namespace) -> int:
    from consilia_local.verbs import stop  # noqa: PLC0415

    _say(stop(_name(options), options.state))
    return DONE


def _name(options: argparse.Namespace) -> str | None:
    """The federation's name, given as such or by its file."""
    given: str | None = options.federation
    if given is None or not Path(given).is_file():
        return given
    from consilia.manifest import only_federation  # noqa: PLC0415
    from consilia_local.manifest_file import read_manifest  # noqa: PLC0415

    return only_federation(read_manifest(Path(given)), given).metadata.name


def _say(sentence: str) -> None:
    sys.stdout.write(f"{legible(sentence)}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="consilia", description="Federated learning between hospitals.")
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")
    run = verbs.add_parser(
        "run",
        help="run the Federation of a file on this machine",
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_run(run)

    validate = verbs.add_parser("validate", help="check a file, and say what it would run")
    validate.add_argument("file", type=Path, metavar="FILE")
    validate.set_defaults(verb=_validate)

    for name, verb, text in (
        ("status", _status, "show a federation"),
        ("start", _start, "start a federation, resume it, or run it again"),
        ("stop", _stop, "stop a federation after the round under way"),
    ):
        added = verbs.add_parser(name, help=text)
        added.add_argument("federation", nargs="?", metavar="FILE|NAME", help="default: the only one that runs here")
        added.add_argument("--state", type=Path, metavar="DIR", help="its state folder, where that is not the default")
        added.set_defaults(verb=verb)
        if name == "start":
            added.add_argument("--rounds", type=int, metavar="N", help="target rounds from now on")
    _add_data(verbs)
    _add_privacy(verbs)
    _add_ledger(verbs)
    return parser


def _add_data(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    data = verbs.add_parser("data", help="hospitals' tables on this machine, before a run")
    questions = data.add_subparsers(title="questions", required=True, metavar="QUESTION")
    check = questions.add_parser("check", help="look at every hospital's table; exit code 1 where one is not accepted")
    check.add_argument("file", type=Path, metavar="FILE", help="a Federation and its Cohorts")
    check.add_argument("--hospital", metavar="NAME", help="only this one; default: all")
    check.set_defaults(verb=_data_check)
    shard = questions.add_parser("shard", help="cut one table into hospitals' shards, for trying things out")
    shard.add_argument("file", type=Path, metavar="FILE", help="a table: CSV, or Parquet")
    shard.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where shard-1.csv and so on go")
    shard.add_argument("--label", required=True, metavar="COLUMN", help="the column with the outcome")
    shard.add_argument("--positive", metavar="TEXT", help="the text that means 1, where the column is not 0 and 1")
    shard.add_argument(
        "--delimiter", type=_character, default=",", metavar="C", help="between two values; default: %(default)s"
    )
    shard.add_argument("--shards", type=_above_zero, default=5, metavar="N", help="how many; default: %(default)s")
    shard.add_argument(
        "--alpha",
        type=_positive,
        default=0.5,
        metavar="A",
        help="how even they are: near 0 a shard has mostly one outcome, 1000 makes all alike; default: %(default)s",
    )
    shard.add_argument("--seed", type=_above_zero, default=42, metavar="N", help="of the draw; default: %(default)s")
    shard.set_defaults(verb=_data_shard)


def _add_privacy(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    privacy = verbs.add_parser("privacy", help="what a run will cost patients, before it runs")
    questions = privacy.add_subparsers(title="questions", required=True, metavar="QUESTION")
    plan = questions.add_parser("plan", help="show a run's noise, its promise, and what it leaves of every budget")
    plan.add_argument("file", type=Path, metavar="FILE", help="a Federation and its Cohorts")
    plan.add_argument("--state", type=Path, metavar="DIR", help="state folder; default: .consilia/<federation>")
    plan.set_defaults(verb=_privacy_plan)


def _add_ledger(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    ledger = verbs.add_parser("ledger", help="what runs have cost patients")
    questions = ledger.add_subparsers(title="questions", required=True, metavar="QUESTION")
    for name, verb, text in (
        ("show", _ledger_show, "show every entry of a ledger, and what remains"),
        ("verify", _ledger_verify, "check that a ledger is whole; exit code 1 where it is not"),
    ):
        added = questions.add_parser(name, help=text)
        added.add_argument("ledger", nargs="+", metavar="COHORT|FILE", help="a cohort's name, or a ledger.jsonl")
        added.add_argument("--state", type=Path, metavar="DIR", help="state folder; default: all in .consilia")
        added.add_argument("--manifest", type=Path, metavar="FILE", help="the Cohort's file, for its budget")
        added.set_defaults(verb=verb)
        if name == "verify":
            added.add_argument("--witness", metavar="SEQUENCE:HASH", help="an entry of it that was seen elsewhere")


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("file", type=Path, metavar="FILE", help="a Federation and its Cohorts")
    run.add_argument("--broker", choices=["embedded", "prosody"], default="embedded", help="default: %(default)s")
    run.add_argument("--state", type=Path, metavar="DIR", help="state folder; default: .consilia/<federation>")
    run.add_argument("--dashboard-port", type=_port, default=8081, metavar="PORT", help="default: %(default)s")
    run.add_argument("--mlflow-port", type=_port, default=5000, metavar="PORT", help="default: %(default)s")
    run.add_argument("--broker-port", type=_port, metavar="PORT", help="default: any that is free")
    run.add_argument("--coordinator-port", type=_port, metavar="PORT", help="default: any that is free")
    run.add_argument("--no-dashboard", dest="dashboard", action="store_false", help="without the dashboard")
    run.add_argument("--no-mlflow", dest="mlflow", action="store_false", help="without MLflow")
    run.add_argument("--exit", action="store_true", help="end when the run is complete, also in a terminal")
    run.set_defaults(verb=_run)


def _character(text: str) -> str:
    if len(text) != 1:
        raise argparse.ArgumentTypeError(f'"{text}" is not one character')
    return text


def _above_zero(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) < 2**32):
        raise argparse.ArgumentTypeError(f'"{text}" is no whole number from 1')
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f'"{text}" is no number above 0, and at most 1000000')
    return value


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f'"{text}" is no port: give a number from 1 to 65535')
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
