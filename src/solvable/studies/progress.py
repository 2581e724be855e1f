"""Progress of work in parts."""

from collections.abc import Callable

Progress = Callable[[int, int], None]

_PARTS = 1000  # of a progress bar


def part_of(
    progress: Progress | None, first: int, parts: int, count: int = 1
) -> Callable[[float], None]:
    """What is told how much of `count` parts after the first ones, of all parts, is done."""

    def tell(done: float) -> None:
        if progress is not None:
            progress(int(_PARTS * (first + done * count) / parts), _PARTS)

    return tell
