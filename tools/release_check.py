"""Build a release from a clean clone, and use it as a stranger would: ``make release-check``.

What is not committed takes no part. The conda recipe is rendered. The wheel is installed into an
empty environment, where the first example of the README and the command line have to work outside
of any checkout; the sdist is unpacked, and its own tests run against it. With ``--full`` these are
all of its tests.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
# A few minutes: floors, packaging, one estimator, one attack, one proof.
SMOKE = (
    "tests/test_house.py", "tests/tools", "tests/tables", "tests/datasets",
    "tests/space/test_norms.py",
    "tests/estimators/test_probe_usage.py", "tests/attacks/frame/test_containers.py",
    "tests/certificates/pipelines",
)  # fmt: skip
RENDER = """
import sys
from rattler_build import RenderConfig, Stage0Recipe, VariantConfig
for made in Stage0Recipe.from_file(sys.argv[1]).render(VariantConfig(), RenderConfig()):
    print(made)
"""


def main() -> int:
    """Check everything; the first failure ends it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="run all tests of the sdist")
    parser.add_argument("--constraints", type=Path, default=CONSTRAINTS)
    parser.add_argument("--keep", type=Path, help="work in this empty folder, and leave it")
    args = parser.parse_args()
    work = args.keep or Path(tempfile.mkdtemp(prefix="release-check-"))
    work.mkdir(exist_ok=True)
    try:
        wheel, sdist = build(work)
        use_wheel(work, wheel, args.constraints)
        test_sdist(work, sdist, args.constraints, full=args.full)
    except subprocess.CalledProcessError as error:
        print(f"\nFailed: {' '.join(map(str, error.cmd))}", flush=True)
        return 1
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)
    print("\nThe release is fit to be published.")
    return 0


def build(work: Path) -> tuple[Path, Path]:
    """Return the wheel and the sdist that a clean clone gives, after a strict look at all of it."""
    say("Build from a clean clone")
    clone = work / "clone"
    run(["git", "clone", "-q", "--no-local", ROOT, clone], work)
    python = environment(work / "build-env", ["build", "twine", "py-rattler-build"])
    run([python, "-m", "build", "-o", work / "dist", clone], work)
    files = sorted((work / "dist").iterdir())
    run([python, "-m", "twine", "check", "--strict", *files], work)
    # As far as a recipe can be tried without a channel: fields, versions, licence, names.
    run([python, "-c", RENDER, clone / "recipe" / "recipe.yaml"], work)
    (wheel,) = (path for path in files if path.suffix == ".whl")
    (sdist,) = (path for path in files if path.name.endswith(".tar.gz"))
    return wheel, sdist


def use_wheel(work: Path, wheel: Path, constraints: Path) -> None:
    """Run the README's first example, and report on a table, with nothing but the wheel."""
    say("The wheel in an empty environment")
    python = environment(work / "wheel-env", ["-c", constraints, f"{wheel}[demo]"])
    elsewhere = work / "elsewhere"
    elsewhere.mkdir()
    readme = (work / "clone" / "README.md").read_text(encoding="utf-8")
    first = re.findall(r"^```python\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)[0]
    store = "\nimport joblib\nframe = load_breast_cancer(as_frame=True).frame\n"
    store += "frame.to_csv('table.csv', index=False)\n"
    store += "joblib.dump(model.fit(frame.drop(columns='target'), y), 'model.joblib')\n"
    run([python, "-c", first + store], elsewhere)
    command = [python.parent / "specreg", "report", "model.joblib", "table.csv"]
    options = ["--target", "target", "--trust", "--out", "report.html", "--json", "report.json"]
    run([*command, *options], elsewhere)
    command[1:3] = ["verify", "report.json", "model.joblib"]
    run([*command, "--target", "target", "--trust"], elsewhere)


def test_sdist(work: Path, sdist: Path, constraints: Path, *, full: bool) -> None:
    """Run tests of the sdist, against what is installed from it."""
    say("The tests of the sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(work / "sdist", filter="data")
    (source,) = (work / "sdist").iterdir()
    python = environment(work / "sdist-env", ["-c", constraints, f"{source}[test]"])
    chosen = ["-n", "2"] if full else SMOKE
    # The installed package is the one to test, not the folder beside the tests.
    shutil.rmtree(source / "build", ignore_errors=True)
    run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen], source)


def environment(folder: Path, packages: list[object]) -> Path:
    """Return the Python of a new environment with these packages."""
    run([sys.executable, "-m", "venv", folder], folder.parent)
    python = folder / "bin" / "python"
    run([python, "-m", "pip", "install", "-q", *packages], folder.parent)
    return python


def run(command: list[object], folder: Path) -> None:
    """Run a command in a folder, with none of the caller's paths of Python."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    clean = {name: value for name, value in os.environ.items() if name not in hidden}
    subprocess.run([str(part) for part in command], cwd=folder, env=clean, check=True)


def say(what: str) -> None:
    """Print a heading."""
    print(f"\n== {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
