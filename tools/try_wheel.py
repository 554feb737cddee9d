"""Build the wheel and the source distribution, install the wheel alone, and read traces with it.

    python tools/try_wheel.py          this Python, newest dependencies
    python tools/try_wheel.py --all    every Python found, with the newest and the lowest allowed dependencies

Every environment must give the same `report.json` as this one, in which the tests run. Needs `build`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
TRACES: Final = ("h200-fp32_eager.json", "h200-bf16_sdpa_regional.cold.json.gz")
MINORS: Final = (11, 12, 13, 14)
FORMATS: Final = "html,md,json,csv,parquet,terminal"
_LARGEST_BYTES: Final = 2 << 20
_REQUIREMENT: Final = re.compile(r"([\w.-]+)\s*>=\s*([\d.]+)\s*(?:;\s*(.*))?")


def main() -> None:
    everything = "--all" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="sdtrace-wheel-") as name:
        folder = Path(name)
        wheel = build(folder / "dist")
        expected = read_traces([sys.executable, "-m", "sdtrace"], folder / "expected", "json")
        for python in find_pythons() if everything else [sys.executable]:
            for bounds in ("newest", "lowest") if everything else ("newest",):
                try_one(python, bounds, wheel, expected, folder / "tried")
    print("wheel and source distribution: all that was tried gives equal reports")


def build(folder: Path) -> Path:
    """The wheel, built from the source distribution, which holds what it should."""
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        sys.exit(f"the build failed:\n{built.stdout}{built.stderr}")
    (source,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    with tarfile.open(source) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    traces = [name for name in names if name.startswith("traces/") and "README" not in name]
    if traces or not {"pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md"} <= set(names):
        sys.exit(f"{source.name}: traces that do not belong in it ({traces}), or what belongs is missing")
    for made in (source, wheel):
        if made.stat().st_size > _LARGEST_BYTES:
            sys.exit(f"{made.name}: {made.stat().st_size} bytes are more than expected")
    return wheel


def find_pythons() -> Iterator[str]:
    """An interpreter of each minor version, from the path or from pyenv; says what is not here."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for minor in MINORS:
        name = f"python3.{minor}"
        found = [shutil.which(name), *map(str, sorted(versions.glob(f"3.{minor}.*/bin/{name}")))]
        working = [python for python in found if python and runs(python)]
        if working:
            yield working[0]
        else:
            print(f"Python 3.{minor}: not here, so not tried")


def runs(python: str) -> bool:
    """Whether it is a Python; pyenv puts names on the path that are none until a version is chosen."""
    return subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0


def try_one(python: str, bounds: str, wheel: Path, expected: list[bytes], folder: Path) -> None:
    """Install the wheel into a new environment and hold its reports against `expected`."""
    start = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    # Without pip of its own, which takes longer to install than the wheel: ours installs into it.
    subprocess.run([python, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    inside = str(next((folder / "venv").glob("[bS]*/python*")))
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(lowest(wheel)) if bounds == "lowest" else "")
    pip = [sys.executable, "-m", "pip", "--python", inside, "--disable-pip-version-check"]
    install = ["install", "-q", "--no-compile", "-c", str(constraints), str(wheel)]
    subprocess.run([*pip, *install], check=True)
    freeze = [*pip, "list", "--format=freeze"]
    packages = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout.split()
    if any(package.startswith(("torch=", "diffusers=")) for package in packages):
        sys.exit("reading traces needs torch")
    command = [str(Path(inside).with_name("sdtrace"))]
    if read_traces(command, folder / "reports", FORMATS) != expected:
        sys.exit(f"{python}, {bounds}: the reports differ ({' '.join(packages)})")
    try_other_commands(command, folder / "reports")
    version = subprocess.run([inside, "-V"], check=True, capture_output=True, text=True).stdout.strip()
    print(f"{version}, {bounds}: equal, {time.monotonic() - start:.0f} s ({' '.join(packages)})", flush=True)


def lowest(wheel: Path) -> Iterator[str]:
    """What pins every required package to the lowest version that the wheel allows, a line each."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(archive.read(name))
    for line in metadata.get_all("Requires-Dist", []):
        found = _REQUIREMENT.fullmatch(line)
        if found and "extra ==" not in line:
            yield f"{found[1]}=={found[2]}{f'; {found[3]}' if found[3] else ''}\n"


def read_traces(command: list[str], folder: Path, formats: str) -> list[bytes]:
    """`report.json` of each shipped trace; reports in all `formats` are written."""
    folder.mkdir(parents=True)
    for trace in TRACES:
        run(command, folder, "analyze", ROOT / "traces" / trace, "--format", formats, "-o", trace)
    return [(folder / trace / "report.json").read_bytes() for trace in TRACES]


def try_other_commands(command: list[str], folder: Path) -> None:
    traces = [ROOT / "traces" / trace for trace in TRACES]
    run(command, folder, "table", traces[0])
    run(command, folder, "query", traces[0], "SELECT category, count(*) FROM events GROUP BY category")
    run(command, folder, "compare", *traces, "--allow-different-work", "--format", "terminal,md,json")
    run(command, folder, "perfetto", traces[1])
    run(command, folder, "doctor")


def run(command: list[str], folder: Path, *words: str | Path) -> None:
    """Run sdtrace in `folder`; ends all where it fails. An installed one finds nothing by PYTHONPATH."""
    environment = dict(os.environ)
    if not command[1:]:
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [*command, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, (*command, *words)))}: {done.returncode}: {done.stderr}")


if __name__ == "__main__":
    main()
