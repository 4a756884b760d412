"""A version that counts changes, and whoever waits for the next one."""

import asyncio


class Changes:
    """Long polls and streams wait here; nobody polls."""

    def __init__(self) -> None:
        self.version = 1
        self._watchers: set[asyncio.Future[None]] = set()

    @property
    def waiting(self) -> int:
        """How many wait for the next change."""
        return len(self._watchers)

    def happened(self) -> None:
        """Something changed: wake all who wait."""
        self.version += 1
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)

    async def after(self, version: int, seconds: float) -> bool:
        """Wait until the version is another than ``version``; false if ``seconds`` passed first."""
        if version != self.version:
            return True
        watcher = asyncio.get_running_loop().create_future()
        self._watchers.add(watcher)
        try:
            await asyncio.wait_for(watcher, seconds)
        except TimeoutError:
            return False
        finally:
            self._watchers.discard(watcher)
        return True
