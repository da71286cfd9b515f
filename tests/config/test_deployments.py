"""The compose file and the Kubernetes manifests: their configs are sound, and fit what is around them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config.lint import lint
from proxy.config.load import LoadedConfig, load_config, load_text

CONFIG = Path(__file__).parents[2] / "config"
COMPOSE = yaml.safe_load((CONFIG / "compose.yaml").read_text())
MANIFESTS = [
    pytest.param(list(yaml.safe_load_all(path.read_text())), id=path.stem)
    for path in sorted((CONFIG / "kubernetes").glob("*.yaml"))
]


def _config_of(manifests: list[Any]) -> LoadedConfig:
    [text] = [each["data"]["traceward.yaml"] for each in manifests if each["kind"] == "ConfigMap"]
    return load_text(text.encode(), Path("traceward.yaml"), {})


def _pod_of(manifests: list[Any]) -> Any:
    [deployment] = [each for each in manifests if each["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]


def _proxy_of(manifests: list[Any]) -> Any:
    [proxy] = [each for each in _pod_of(manifests)["containers"] if each["name"] == "traceward"]
    return proxy


def _sleep_of(container: Any) -> int:
    command, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    return int(seconds)


@pytest.mark.parametrize("manifests", MANIFESTS)
def test_the_config_in_a_manifest_checks_clean(manifests: list[Any]) -> None:
    assert [str(warning) for warning in lint(_config_of(manifests))] == []


@pytest.mark.parametrize("manifests", MANIFESTS)
def test_a_drain_fits_in_the_grace_period(manifests: list[Any]) -> None:
    pod, proxy = _pod_of(manifests), _proxy_of(manifests)
    drained = _sleep_of(proxy) + _config_of(manifests).config.drain_timeout
    assert drained < pod["terminationGracePeriodSeconds"]
    for other in pod["containers"]:
        if other is not proxy:
            assert drained < _sleep_of(other) < pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("manifests", MANIFESTS)
def test_ports_and_probes_are_those_of_the_config(manifests: list[Any]) -> None:
    config, proxy = _config_of(manifests).config, _proxy_of(manifests)
    ports = {port["name"]: port["containerPort"] for port in proxy["ports"]}
    assert str(config.listen[0].address) == f"0.0.0.0:{ports['http']}"
    assert str(config.admin.listen) == f"0.0.0.0:{ports['admin']}"
    assert proxy["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    assert proxy["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
    [service] = [each for each in manifests if each["kind"] == "Service"]
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    annotations = next(each for each in manifests if each["kind"] == "Deployment")["spec"]["template"][
        "metadata"
    ]["annotations"]
    assert annotations["prometheus.io/port"] == str(ports["admin"])


@pytest.mark.parametrize("manifests", MANIFESTS)
def test_the_parts_of_a_manifest_name_each_other(manifests: list[Any]) -> None:
    [deployment] = [each for each in manifests if each["kind"] == "Deployment"]
    [service] = [each for each in manifests if each["kind"] == "Service"]
    [config] = [each for each in manifests if each["kind"] == "ConfigMap"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    [volume] = _pod_of(manifests)["volumes"]
    assert volume["configMap"]["name"] == config["metadata"]["name"]
    proxy = _proxy_of(manifests)
    [mount] = proxy["volumeMounts"]
    assert proxy["args"] == ["run", "-c", f"{mount['mountPath']}/traceward.yaml"]


def test_what_compose_mounts_is_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            assert (CONFIG / volume.split(":")[0]).exists(), volume


def test_compose_opens_ports_to_this_machine_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_images_have_versions() -> None:
    images = [service["image"] for service in COMPOSE["services"].values() if "image" in service]
    assert all(re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", image) for image in images), images


def test_the_proxy_of_compose_checks_clean_and_leads_to_its_services() -> None:
    loaded = load_config(CONFIG / "compose" / "traceward.yaml", {})
    assert [str(warning) for warning in lint(loaded)] == []
    services = COMPOSE["services"]
    text = (CONFIG / "compose" / "traceward.yaml").read_text()
    for host in re.findall(r"http://([a-z]+):", text.replace("localhost", "")):
        assert host in services
    assert services["traceward"]["ports"] == ["127.0.0.1:8080:8080", "127.0.0.1:9901:9901"]
    assert str(loaded.config.listen[0].address) == "0.0.0.0:8080"
    assert str(loaded.config.admin.listen) == "0.0.0.0:9901"


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    grafana = CONFIG / "grafana" / "provisioning"
    [provider] = yaml.safe_load((grafana / "dashboards" / "traceward.yaml").read_text())["providers"]
    mounted = [volume.split(":")[1] for volume in COMPOSE["services"]["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/traceward.json" in mounted
    sources = yaml.safe_load((grafana / "datasources" / "prometheus.yaml").read_text())["datasources"]
    for source in sources:
        assert re.fullmatch(r"http://([a-z]+):\d+", source["url"])[1] in COMPOSE["services"]  # type: ignore[index]


def test_prometheus_scrapes_the_proxy_of_compose() -> None:
    prometheus = yaml.safe_load((CONFIG / "prometheus" / "prometheus.yml").read_text())
    [job] = prometheus["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["traceward:9901"]}]
    assert all((CONFIG / "prometheus" / name).exists() for name in prometheus["rule_files"])
