"""What the console does beside its pages: each in a thread of its own."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Background(ABC):
    """Works from `start` to `stop`; the thread's name tells which it is."""

    def __init__(self, name: str) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after what is under way."""
        self._stopping.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None:
        """Work until `_stopping` is set."""
