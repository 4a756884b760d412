"""One echoing process of the floor. It syncs nothing: without noise a hospital owes no sync (see its outbox)."""

import sys

import uvloop

from bench.broker import DOMAIN
from bench.floor import ASKER, UPDATE_BYTES, Account, Client


async def echo(account: Account) -> None:
    """Say to the asker that it is there, then answer every message of its, until the process is terminated."""
    client = Client(account)
    update = "u" * UPDATE_BYTES

    def on_message(_message: object) -> None:
        client.send_message(f"{ASKER}@{DOMAIN}", update, mtype="chat")

    client.add_event_handler("message", on_message)
    await client.enter()
    client.send_message(f"{ASKER}@{DOMAIN}", "here", mtype="chat")
    await client.disconnected


if __name__ == "__main__":
    name, port, *rest = sys.argv[1:]
    uvloop.run(echo(Account(name, int(port), *rest)))
