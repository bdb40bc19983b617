"""Where builds are performed, unless somebody brings another executor."""

from __future__ import annotations

import threading
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class Threads(Executor):
    """A thread for each call.

    The agenda says how many run at once, so there is no pool. Unlike those of a ThreadPoolExecutor these are
    daemons: after an interrupt, one that waits for a server does not keep the interpreter from ending.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call the function in a thread of its own."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        threading.Thread(target=_settle, args=(future, fn, args, kwargs), daemon=True).start()
        return future


def _settle(future: Future[T], fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        result = fn(*args, **kwargs)
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)
    else:
        future.set_result(result)
