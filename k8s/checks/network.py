"""Whether the policies let through every connection that the manifests need, and to the drift monitor no others.

What is needed follows from the manifests themselves: addresses in settings that name a Service, addresses in Secrets,
Ingress rules, scrape annotations. Policies are read as a cluster reads them: what none allows is refused.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from k8s.checks.environment import plain, secret
from k8s.checks.manifests import Container, Document, Manifests, Workload, matches, title

# Settings that hold an address outside of the manifests, and its port.
_ENGINES = {"DATABASE_URL": 5432, "MLFLOW_BACKEND_STORE_URI": 5432, "REDIS_URL": 6379, "AWS_ACCESS_KEY_ID": 443}
# Settings that hold an address elsewhere, which a policy to the whole world is for.
_OUTSIDE = ("AWS_ENDPOINT_URL",)
_DNS = 53
# For our own pods alone: who may call it.
_OURS = "drift-monitor"
_MAY_CALL_IT = frozenset({"api", "job-worker"})
_COMPONENT = "app.kubernetes.io/component"
_NAMESPACE = "kubernetes.io/metadata.name"


def problems(manifests: Manifests) -> list[str]:
    """Connections that no policy allows, policies for nobody, and doors left open."""
    return [*_denied(manifests), *_policies(manifests), *_needed(manifests), *_open(manifests)]


def _denied(manifests: Manifests) -> Iterator[str]:
    """Whatever is not named must be refused, for every pod, both ways."""
    policies = manifests.of("NetworkPolicy")
    for way in ("Ingress", "Egress"):
        everywhere = [p for p in policies if not p["spec"]["podSelector"] and way in p["spec"].get("policyTypes", [])]
        if not any(not p["spec"].get(way.lower()) for p in everywhere):
            yield f"no NetworkPolicy refuses all {way} that is not named"


def _policies(manifests: Manifests) -> Iterator[str]:
    for policy in manifests.of("NetworkPolicy"):
        spec = policy["spec"]
        if not manifests.selected(spec["podSelector"]):
            yield f"{title(policy)}: its podSelector takes nobody's pods"
        for way, peers in (("ingress", "from"), ("egress", "to")):
            if spec.get(way) and way.title() not in spec.get("policyTypes", []):
                yield f"{title(policy)}: {way} is not among its policyTypes"
            for rule in spec.get(way, []):
                yield from _rule(manifests, policy, way, rule, rule.get(peers))


def _rule(
    manifests: Manifests, policy: Document, way: str, rule: Document, peers: list[Document] | None
) -> Iterator[str]:
    if not peers:
        yield f"{title(policy)}: {way} with the whole world"
    for peer in peers or []:
        if "namespaceSelector" not in peer and "podSelector" in peer and not manifests.selected(peer["podSelector"]):
            yield f"{title(policy)}: {way} names pods that there are not"
    if not rule.get("ports"):
        yield f"{title(policy)}: {way} on every port"
    if way == "ingress":
        listening = {
            n for w in manifests.selected(policy["spec"]["podSelector"]) for c in w.containers for n in c.ports.values()
        }
        for port in rule.get("ports", []):
            if port["port"] not in listening:
                yield f"{title(policy)}: nobody whom it protects listens on {port['port']}"


def _needed(manifests: Manifests) -> Iterator[str]:
    for workload in manifests.workloads:
        for container in workload.containers:
            yield from _container(manifests, workload, container)
        if _reaches_anything(manifests, workload) and not _asks_for_names(manifests, workload):
            yield f"{workload.title}: no policy lets it ask for names"
        port = workload.annotations.get("prometheus.io/port")
        if manifests.find("NetworkPolicy", "metrics") and port and not _from_others(manifests, workload, int(port)):
            yield f"{workload.title}: no policy lets anybody scrape port {port}"
    for ingress in manifests.of("Ingress"):
        backends = {path["backend"]["service"]["name"] for rule in ingress["spec"]["rules"] for path in _paths(rule)}
        for name in sorted(backends):
            yield from _behind(manifests, ingress, name)


def _paths(rule: Document) -> list[Document]:
    paths: list[Document] = rule["http"]["paths"]
    return paths


def _container(manifests: Manifests, workload: Workload, container: Container) -> Iterator[str]:
    for name, value in plain(manifests, container).items():
        if value.startswith(("http://", "https://")) and name not in _OUTSIDE:
            yield from _to_service(manifests, workload, name, value)
    for name in secret(container):
        if name in _ENGINES and not _out(manifests, workload, None, _ENGINES[name]):
            yield f"{workload.title}: no policy lets it reach port {_ENGINES[name]}, which {name} needs"


def _to_service(manifests: Manifests, workload: Workload, name: str, value: str) -> Iterator[str]:
    address = urlsplit(value)
    service = manifests.find("Service", address.hostname or "")
    if service is None:
        yield f"{workload.title}: {name} names {address.hostname}, which is no Service here"
        return
    wanted = address.port or 80
    port = next((port for port in service["spec"]["ports"] if port["port"] == wanted), None)
    if port is None:
        yield f"{workload.title}: {name} names port {wanted}, which {title(service)} does not have"
        return
    for target in manifests.selected({"matchLabels": service["spec"]["selector"]}):
        number = target.port(port.get("targetPort", wanted))
        if number is None:
            continue
        if not _out(manifests, workload, target, number) or not _into(manifests, workload, target, number):
            yield f"{workload.title}: no policy lets it reach {target.title}:{number}, which {name} needs"


def _behind(manifests: Manifests, ingress: Document, name: str) -> Iterator[str]:
    service = manifests.find("Service", name)
    if service is None:
        return  # `references` says so
    for target in manifests.selected({"matchLabels": service["spec"]["selector"]}):
        for port in service["spec"]["ports"]:
            number = target.port(port.get("targetPort", port["port"]))
            if number is not None and not _from_others(manifests, target, number, scrapers=False):
                yield f"{title(ingress)}: no policy lets its controller reach {target.title}:{number}"


def _open(manifests: Manifests) -> Iterator[str]:
    """Whoever may call what is for our own pods, other than those who must and the scraper of metrics."""
    for target in manifests.workloads:
        if target.labels.get(_COMPONENT) != _OURS:
            continue
        for policy in _of(manifests, target, "Ingress"):
            for peer in (peer for rule in policy["spec"].get("ingress", []) for peer in rule.get("from", [{}])):
                if "namespaceSelector" in peer:
                    if peer["namespaceSelector"].get("matchLabels", {}).get(_NAMESPACE) != "monitoring":
                        yield f"{title(policy)}: strangers reach {target.title}, which is for our own pods"
                    continue
                for caller in manifests.selected(peer.get("podSelector")):
                    if caller.labels.get(_COMPONENT) not in _MAY_CALL_IT:
                        yield f"{title(policy)}: {caller.title} reaches {target.title}, which is not for it"


def _of(manifests: Manifests, workload: Workload, way: str) -> list[Document]:
    """The policies of a workload's pods, one way."""
    return [
        policy
        for policy in manifests.of("NetworkPolicy")
        if way in policy["spec"].get("policyTypes", []) and matches(policy["spec"]["podSelector"], workload.labels)
    ]


def _rules(manifests: Manifests, workload: Workload, way: str, port: int) -> Iterator[list[Document]]:
    """The peers of each rule that allows a port."""
    for policy in _of(manifests, workload, way.title()):
        for rule in policy["spec"].get(way, []):
            if any(allowed["port"] == port for allowed in rule.get("ports", [])):
                yield rule.get("from" if way == "ingress" else "to", [])


def _out(manifests: Manifests, workload: Workload, target: Workload | None, port: int) -> bool:
    """Whether pods may call a port of others' pods, or, without a target, one outside."""
    for peers in _rules(manifests, workload, "egress", port):
        for peer in peers:
            if target is None and "ipBlock" in peer:
                return True
            if (
                target is not None
                and "namespaceSelector" not in peer
                and matches(peer.get("podSelector", {}), target.labels)
            ):
                return True
    return False


def _into(manifests: Manifests, workload: Workload, target: Workload, port: int) -> bool:
    return any(
        "podSelector" in peer and "namespaceSelector" not in peer and matches(peer["podSelector"], workload.labels)
        for peers in _rules(manifests, target, "ingress", port)
        for peer in peers
    )


def _from_others(manifests: Manifests, target: Workload, port: int, *, scrapers: bool = True) -> bool:
    """Whether a port is open to another namespace: Prometheus' own, or any other."""
    return any(
        (peer["namespaceSelector"].get("matchLabels", {}).get(_NAMESPACE) == "monitoring") == scrapers
        for peers in _rules(manifests, target, "ingress", port)
        for peer in peers
        if "namespaceSelector" in peer
    )


def _asks_for_names(manifests: Manifests, workload: Workload) -> bool:
    """Whether pods reach the cluster's DNS, which answers by UDP, and by TCP when an answer is long."""
    allowed = {
        port["protocol"]
        for policy in _of(manifests, workload, "Egress")
        for rule in policy["spec"].get("egress", [])
        for peer in rule.get("to", [])
        for port in rule.get("ports", [])
        if peer.get("namespaceSelector", {}).get("matchLabels", {}).get(_NAMESPACE) == "kube-system"
        and port["port"] == _DNS
    }
    return allowed == {"UDP", "TCP"}


def _reaches_anything(manifests: Manifests, workload: Workload) -> bool:
    return any(policy["spec"].get("egress") for policy in _of(manifests, workload, "Egress"))
