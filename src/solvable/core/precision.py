"""Double precision, switched on at import and checked at every public entry; compiled programs."""

import os
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)


def require_x64() -> None:
    """Raise unless JAX computes in double precision.

    With 64-bit mode off, a solve returns float32 numbers and still reports success; that must
    never happen silently.

    Raises:
        RuntimeError: if 64-bit mode was switched off after the package was imported.
    """
    if not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise RuntimeError(
            "JAX's 64-bit mode must be on, but it was switched off after `solvable` was "
            "imported; call jax.config.update('jax_enable_x64', True)."
        )


def enable_compilation_cache(directory: Path | None = None) -> Path:
    """Keep compiled programs on disk between processes.

    Args:
        directory: where to keep them; by default `$XDG_CACHE_HOME/solvable/jax` (or
            `~/.cache/solvable/jax`).

    Returns:
        The folder in use.
    """
    if directory is None:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        directory = Path(base) / "solvable" / "jax"
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    return directory


if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
    enable_compilation_cache()
