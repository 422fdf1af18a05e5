"""The protocol of answer stores, and two of them: one in memory, and one that stores nothing.

An answer counts as stored only when ``put`` has returned. Errors are never stored. The digest of a request is its key
(``Request.key``): it covers everything that can change the answer.
"""

from __future__ import annotations

from typing import Protocol

from polyjudge.llm.request import Reply


class AnswerStore(Protocol):
    """Stores answers for one client; several processes may share the storage behind it.

    All methods are called in the event loop of the client.
    """

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user about answers that could not be used."""
        ...

    async def get(self, key: str) -> Reply | None:
        """The newest answer of a key (64 hexadecimal digits), or None.

        Raises:
            CacheError: the store cannot be read.
        """
        ...

    def claim(self, key: str) -> bool:
        """Announce that this client is about to ask; False while another process is asking the same.

        It is called before anything is paid. A store that processes cannot share always returns True. A claim ends
        with ``release``, or with its process.

        Raises:
            CacheError: an answer could not be stored.
        """
        ...

    def release(self, key: str) -> None:
        """End a claim, whether or not an answer was put; without a claim nothing happens."""
        ...

    async def put(self, key: str, reply: Reply, *, role: str, model: str, seconds: float) -> Reply:
        """Store an answer, also if the caller is cancelled meanwhile.

        Args:
            key: of the request.
            reply: of the endpoint.
            role: of the request, for the user's overview.
            model: as the user names it, for the user's overview.
            seconds: from sending to the answer.

        Returns:
            The answer that is stored under the key; it is another process's if that one was first.

        Raises:
            CacheError: it could not be stored.
        """
        ...

    def close(self) -> None:
        """Store what is under way and free all resources; closing twice changes nothing."""
        ...


class NoStore:
    """An ``AnswerStore`` that stores nothing."""

    warnings: tuple[str, ...] = ()

    async def get(self, key: str) -> Reply | None:
        return None

    def claim(self, key: str) -> bool:
        return True

    def release(self, key: str) -> None:
        return None

    async def put(self, key: str, reply: Reply, *, role: str, model: str, seconds: float) -> Reply:
        return reply

    def close(self) -> None:
        return None


class MemoryStore(NoStore):
    """Answers for as long as the object lives; an ``AnswerStore`` that no other process shares."""

    def __init__(self) -> None:
        self._replies: dict[str, Reply] = {}

    async def get(self, key: str) -> Reply | None:
        return self._replies.get(key)

    async def put(self, key: str, reply: Reply, *, role: str, model: str, seconds: float) -> Reply:
        return self._replies.setdefault(key, reply)
