"""``python -m consilia_local.broker embedded|prosody FOLDER``: run a broker until SIGTERM."""

import argparse
import sys
from pathlib import Path

from consilia.errors import ConsiliaError, Refusal
from consilia_local.broker.folder import BrokerFolder


def main(arguments: list[str] | None = None) -> int:
    """Run the broker; the exit code is 2 for a folder that cannot be used, 1 for a port or a program."""
    parser = argparse.ArgumentParser(prog="python -m consilia_local.broker", description="Run a message broker.")
    parser.add_argument("kind", choices=["embedded", "prosody"])
    parser.add_argument("folder", type=Path, help="what write_broker_folder wrote")
    options = parser.parse_args(arguments)
    try:
        run(options.kind, BrokerFolder.read(options.folder))
    except ConsiliaError as error:
        sys.stderr.write(f"broker: {error}\n")
        return 2 if isinstance(error, Refusal) else 1
    return 0


def run(kind: str, folder: BrokerFolder) -> None:
    """Run one of the brokers; each is imported only where it runs."""
    if kind == "prosody":
        from consilia_local.broker.prosody import become_prosody  # noqa: PLC0415

        become_prosody(folder)
    import uvloop  # noqa: PLC0415

    from consilia_local.broker.embedded import serve  # noqa: PLC0415

    uvloop.run(serve(folder))


if __name__ == "__main__":
    sys.exit(main())
