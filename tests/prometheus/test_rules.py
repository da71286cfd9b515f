"""The shipped rules and alerts, held to by promtool and by each other."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

SHIPPED = Path(__file__).parents[2] / "config" / "prometheus"
TESTS = sorted(Path(__file__).parent.glob("*.test.yml"))
ALERTS = [
    rule
    for group in yaml.safe_load((SHIPPED / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: apt install prometheus")
    return found


def _run(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.peer
def test_the_scrape_config_and_its_rules_are_sound(promtool: str) -> None:
    said = _run(promtool, "check", "config", "--lint-fatal", str(SHIPPED / "prometheus.yml"))
    assert "FAILED" not in said


@pytest.mark.peer
@pytest.mark.parametrize("name", ["recording.yml", "alerts.yml"])
def test_rules_are_sound(promtool: str, name: str) -> None:
    assert "FAILED" not in _run(promtool, "check", "rules", "--lint-fatal", str(SHIPPED / name))


@pytest.mark.peer
@pytest.mark.parametrize("path", [pytest.param(path, id=path.name.partition(".")[0]) for path in TESTS])
def test_alerts_fire_and_clear(promtool: str, path: Path) -> None:
    assert "SUCCESS" in _run(promtool, "test", "rules", str(path))


@pytest.mark.parametrize("alert", [pytest.param(alert, id=alert["alert"]) for alert in ALERTS])
def test_each_alert_is_seen_to_fire_and_to_clear(alert: dict[str, Any]) -> None:
    [path] = [path for path in TESTS if f'alertname="{alert["alert"]}"' in path.read_text()]
    cases = [case for each in yaml.safe_load(path.read_text())["tests"] for case in each["promql_expr_test"]]
    fired = [f'alertname="{alert["alert"]}"' in str(case["exp_samples"]) for case in cases]
    assert True in fired
    assert False in fired[fired.index(True) :]


@pytest.mark.parametrize("alert", [pytest.param(alert, id=alert["alert"]) for alert in ALERTS])
def test_each_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("warning", "critical")
    assert set(alert["annotations"]) == {"summary", "description"}
    assert alert["annotations"]["description"].endswith(".")


def test_records_are_named_by_their_level() -> None:
    for group in yaml.safe_load((SHIPPED / "recording.yml").read_text())["groups"]:
        for rule in group["rules"]:
            level, metric, operation = rule["record"].split(":")
            assert set(level.split("_")) <= {"job", "instance", "rule", "decision", "outcome"}
            assert metric.startswith("traceward_")
            assert re.fullmatch(r"[a-z0-9_]+", operation)
