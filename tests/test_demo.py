"""`make demo`, as a stranger would run it: it ends well, says that all digests are the same, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_demo_ends_with_all_digests_the_same_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, str(ROOT / "demo" / "demo.py")],
        env={**os.environ, "PATH": path, "TMPDIR": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "never-made")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 list, 11 manifests, 11 configs, 11 layers, 2 foreign layers" in done.stdout
    assert "all 34 digests are the same on both sides" in done.stdout
    assert list(tmp_path.iterdir()) == []
