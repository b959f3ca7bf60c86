"""One interpreter for a page's Python: runs the files named on its input, in one namespace."""

import sys
from pathlib import Path


def main() -> None:
    for line in sys.stdin:
        path = line.strip()
        code = compile(Path(path).read_text(), path, "exec")
        exec(code, sys.modules["__main__"].__dict__)
        print(f"ran {path}", flush=True)


if __name__ == "__main__":
    main()
