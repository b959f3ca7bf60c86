"""`setsum` for the pages: a quick study that another page has run already is copied, not run again.

Only `setsum run --out NEW KEY=VALUE …` is kept, word for word: it depends on nothing but its words.
Everything else is the command itself.
"""

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

REAL = [sys.executable, "-m", "study.cli"]


def destination(arguments: list[str]) -> Path | None:
    """Where a study goes that its words alone decide; None for any other command."""
    match arguments:
        case ["run", "--out", out, *fields] if all("=" in field and "/" not in field for field in fields):
            return None if Path(out).exists() else Path(out)
    return None


def study_of(fields: list[str], kept: Path) -> tuple[Path, str]:
    """The study with these fields, and what its run printed; run now if no page has asked for it."""
    made = kept / sha256(json.dumps(sorted(fields)).encode()).hexdigest()[:12]
    if not (made / "output.txt").exists():
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        command = [*REAL, "run", "--out", str(made / "study"), *fields]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.returncode)
        (made / "output.txt").write_text(done.stdout)
    return made / "study", (made / "output.txt").read_text()


def main() -> None:
    arguments = sys.argv[1:]
    out = destination(arguments)
    if out is None:
        os.execv(sys.executable, [*REAL, *arguments])
    study, output = study_of(arguments[3:], Path(os.environ["KEPT_STUDIES"]))
    shutil.copytree(study, out)
    print(output.replace(str(study), str(out.resolve())), end="")


if __name__ == "__main__":
    main()
