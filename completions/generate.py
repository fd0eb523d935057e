"""Write the shell completions from the command line: `make completions`."""

import os
import subprocess
import sys
from pathlib import Path

FILES = {"bash": "dnas.bash", "zsh": "_dnas", "fish": "dnas.fish"}


def script(shell: str) -> str:
    """Return the completion script that the command line makes for a shell."""
    done = subprocess.run(
        [sys.executable, "-m", "dnas_cli"],
        env={**os.environ, "_DNAS_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    )
    # zsh recognises a completion by its first line, so nothing may stand before it
    return done.stdout.strip() + "\n"


if __name__ == "__main__":
    for shell, name in FILES.items():
        (Path(__file__).parent / name).write_text(script(shell))
