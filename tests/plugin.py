"""Install tests/stub_engines.py the way a third party's package is: a module and a dist-info with entry points."""

import os
import shutil
from pathlib import Path

MODULE = Path(__file__).with_name("stub_engines.py")
ENGINES = ("plain", "dead", "mumbling", "talker", "named", "costly")


def install(folder: Path) -> dict[str, str]:
    """Put the package in `folder`; return the environment variables with which a new process finds it."""
    shutil.copy(MODULE, folder / MODULE.name)
    about = folder / "city_stubs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: city-stubs\nVersion: 1.0\n")
    points = "".join(f"{name} = {MODULE.stem}:{name}\n" for name in ENGINES)
    (about / "entry_points.txt").write_text(f"[cityfolk.engines]\n{points}")
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path}
