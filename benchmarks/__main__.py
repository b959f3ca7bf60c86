"""`python -m benchmarks [NAME ...]`: measure, print, and store under benchmarks/results."""

import sys
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent


def names() -> list[str]:
    """Every module here with a `measure` function of no arguments."""
    return sorted(path.stem for path in HERE.glob("*.py") if "\ndef measure()" in path.read_text())


def main(wanted: list[str]) -> int:
    """Run the benchmarks wanted, or all."""
    unknown = set(wanted) - set(names())
    if unknown:
        print(f"no benchmark called {', '.join(sorted(unknown))}; there are {', '.join(names())}")
        return 2
    for name in wanted or names():
        import_module(f"benchmarks.{name}").measure()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
