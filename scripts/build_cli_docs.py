"""Write docs/cli.md from the command line's own help, so that it cannot say anything else.

python scripts/build_cli_docs.py          write it
python scripts/build_cli_docs.py --check  exit 1 if it is out of date
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cityfolk.cli.main import app

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"


def verbs() -> list[str]:
    """Return every verb there is in the order of the help, "" (the command itself) first."""
    found = ["", *(str(command.name) for command in app.registered_commands)]
    for group in app.registered_groups:
        inner = group.typer_instance.registered_commands if group.typer_instance else []
        found += [str(group.name), *(f"{group.name} {command.name}" for command in inner)]
    return found


def page() -> str:
    """Return the page: one section a verb, its help as the terminal shows it at 100 columns."""
    parts = ["# The command line\n\nThis page is made by `python scripts/build_cli_docs.py`.\n"]
    for verb in verbs():
        done = subprocess.run(
            [sys.executable, "-m", "cityfolk", *verb.split(), "--help"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"},
        )
        text = "\n".join(line.rstrip() for line in done.stdout.replace("python -m cityfolk", "cityfolk").splitlines())
        parts.append(f"## cityfolk {verb}".rstrip() + f"\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Write the page, or say whether it is up to date."""
    text = page()
    if "--check" in sys.argv[1:]:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PAGE} is out of date: run python scripts/build_cli_docs.py")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
