"""The script that fits what clustering ships, as an operator with labelled articles of his own would run it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SETS = [str(HERE / "lookalikes.jsonl"), str(HERE / "timelines.jsonl")]


def fit(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cluster.evaluate.fit", *arguments], capture_output=True, text=True, timeout=300, check=False
    )


def test_it_says_how_each_family_does_by_weights_that_never_saw_it() -> None:
    found = json.loads(fit(*SETS).stdout)
    assert found["features"] == ["words", "meaning", "words_above", "meaning_above"]
    assert min(found["weights"]) >= 0
    assert max(found["weights"]) > 1
    assert list(found["left_out"]) == SETS
    for figures in found["left_out"].values():
        assert 0.3 < figures["whole"] < 1


def test_it_writes_parameters_alone(tmp_path: Path) -> None:
    assert fit(SETS[1], "--parameters", str(tmp_path / "new")).returncode == 0
    written = {path.name for path in (tmp_path / "new").iterdir()}
    assert written == {"background_en.npz", "whitening.npz", "spread.npz", "whitening_en.npz", "spread_en.npz"}
    with np.load(tmp_path / "new" / "whitening_en.npz") as whitening:
        assert whitening["transform"].shape == (384, 256)
        assert np.isfinite(whitening["transform"]).all()


def test_it_says_what_is_wrong_with_what_it_was_given(tmp_path: Path) -> None:
    alone = fit(SETS[0])
    assert alone.returncode == 2
    assert "name two or more" in alone.stderr
    missing = fit("nowhere.jsonl", SETS[0])
    assert missing.returncode == 2
    assert "no such file: nowhere.jsonl" in missing.stderr
    few = fit(SETS[0], "--parameters", str(tmp_path / "new"))
    assert few.returncode == 2
    assert "thousands are better" in few.stderr
    assert not (tmp_path / "new").exists()
    assert "minutes" in fit("--help").stdout
