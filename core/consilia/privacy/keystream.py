"""Random words for noise: AES-256 in counter mode (NIST SP 800-38A), whose key the operating system draws.

Noise from a generator that can be run backwards (NumPy's, say) can be subtracted by whoever sees enough of it; this
one's words cannot be told from chance without its key, which nobody keeps. A stream is made for one release and
dropped: a process that forks must not share one.
"""

import secrets
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Words = npt.NDArray[np.uint64]

KEY_BYTES = 32
_FIRST_COUNTER = bytes(16)


class WordSource(Protocol):
    """Where noise takes its words from."""

    def take(self, count: int) -> Words:
        """The next ``count`` (>= 0) words of 64 bits, each uniform and independent of all others."""
        ...


class Keystream:
    """Words of one key. A key is used once; only a test chooses one."""

    def __init__(self, key: bytes) -> None:
        self._encryptor = Cipher(algorithms.AES256(key), modes.CTR(_FIRST_COUNTER)).encryptor()

    @classmethod
    def fresh(cls) -> Self:
        """Words of a new key from the operating system's generator."""
        return cls(secrets.token_bytes(KEY_BYTES))

    def take(self, count: int) -> Words:
        """See :class:`WordSource`."""
        return np.frombuffer(self._encryptor.update(bytes(8 * count)), dtype="<u8").astype(np.uint64, copy=False)
