"""Curves as pictures: one way to begin a figure, and to write it the same each time."""

from contextlib import contextmanager
from pathlib import Path


@contextmanager
def figure(path: Path, size: tuple[float, float], columns: int = 1):
    """Gives the axes of a new figure, a list where there are several, and writes it to `path` as PNG at the end."""
    # Slow to import, and no command but those that draw needs it.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn, axes = pyplot.subplots(1, columns, figsize=size)
    yield axes
    drawn.tight_layout()
    # Without the drawing library's version, which would make every picture another.
    drawn.savefig(path, dpi=90, metadata={"Software": None})
    pyplot.close(drawn)
