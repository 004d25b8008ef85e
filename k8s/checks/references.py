"""Whether objects find each other: selectors, names, ports, volumes, keys of ConfigMaps."""

from collections import Counter
from collections.abc import Callable, Iterator

from k8s.checks.manifests import Container, Document, Manifests, Workload, matches, title

# What belongs to the cluster rather than to a namespace.
_CLUSTER_WIDE = ("Namespace", "ClusterRole", "ClusterRoleBinding", "StorageClass", "PersistentVolume")


def problems(manifests: Manifests) -> list[str]:
    """References that lead nowhere, or to more than one place."""
    checks: list[Callable[[Manifests], Iterator[str]]] = [
        _names,
        _namespaces,
        _workloads,
        _volumes,
        _services,
        _scalers,
        _budgets,
        _ingresses,
        _unused,
    ]
    return [problem for check in checks for problem in check(manifests)]


def _names(manifests: Manifests) -> Iterator[str]:
    counted = Counter(title(document) for document in manifests.documents)
    for name, count in counted.items():
        if count > 1:
            yield f"{name} is there {count} times"


def _namespaces(manifests: Manifests) -> Iterator[str]:
    for document in manifests.documents:
        if document["kind"] not in _CLUSTER_WIDE:
            namespace = document["metadata"].get("namespace")
            if namespace is None or manifests.find("Namespace", namespace) is None:
                yield f"{title(document)}: its namespace {namespace} is not among the objects"


def _workloads(manifests: Manifests) -> Iterator[str]:
    for workload in manifests.workloads:
        selector = workload.spec.get("selector", {})
        taken = manifests.selected(selector)
        if [found.name for found in taken] != [workload.name]:
            yield f"{workload.title}: its selector takes the pods of {_all(taken)}, and must take its own alone"
        account = workload.pod.get("serviceAccountName")
        if account is None or manifests.find("ServiceAccount", account) is None:
            yield f"{workload.title}: there is no ServiceAccount {account}"
        for spread in workload.pod.get("topologySpreadConstraints", []):
            if not matches(spread["labelSelector"], workload.labels):
                yield f"{workload.title}: topologySpreadConstraints count the pods of others"
        port = workload.annotations.get("prometheus.io/port")
        if workload.annotations.get("prometheus.io/scrape") == "true" and workload.port(port or 0) is None:
            yield f"{workload.title}: prometheus.io/port {port} is no port of its containers"
        for container in workload.containers:
            yield from _container(manifests, container)


def _container(manifests: Manifests, container: Container) -> Iterator[str]:
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = container.spec.get(kind)
        if probe is None:
            yield f"{container.title}: no {kind}"
        elif container.port(probe["httpGet"]["port"]) is None:
            yield f"{container.title}: {kind} asks port {probe['httpGet']['port']}, which it does not have"
    for source in container.spec.get("envFrom", []):
        if "configMapRef" in source and manifests.find("ConfigMap", source["configMapRef"]["name"]) is None:
            yield f"{container.title}: there is no ConfigMap {source['configMapRef']['name']}"
    for variable in container.spec.get("env", []):
        reference = variable.get("valueFrom", {}).get("configMapKeyRef")
        if reference and not _has_key(manifests, reference["name"], reference["key"]):
            yield f"{container.title}: ConfigMap {reference['name']} has no {reference['key']}"


def _has_key(manifests: Manifests, name: str, key: str) -> bool:
    found = manifests.find("ConfigMap", name)
    return found is not None and key in found.get("data", {})


def _volumes(manifests: Manifests) -> Iterator[str]:
    for workload in manifests.workloads:
        volumes = {volume["name"]: volume for volume in workload.pod.get("volumes", [])}
        mounted = {
            mount["name"] for container in workload.containers for mount in container.spec.get("volumeMounts", [])
        }
        for name in sorted(mounted - volumes.keys()):
            yield f"{workload.title}: there is no volume {name} to mount"
        for name in sorted(volumes.keys() - mounted):
            yield f"{workload.title}: nothing mounts the volume {name}"
        for volume in volumes.values():
            yield from _volume(manifests, workload, volume)


def _volume(manifests: Manifests, workload: Workload, volume: Document) -> Iterator[str]:
    claim_name = volume.get("persistentVolumeClaim", {}).get("claimName")
    if claim_name is not None:
        claim = manifests.find("PersistentVolumeClaim", claim_name)
        if claim is None:
            yield f"{workload.title}: there is no PersistentVolumeClaim {claim_name}"
        elif "ReadWriteMany" not in claim["spec"]["accessModes"] and (
            manifests.most_pods(workload) > 1 or workload.rolls or len(_users(manifests, claim_name)) > 1
        ):
            yield f"{workload.title}: PersistentVolumeClaim {claim_name} is one pod's; several would want it"
    for item in volume.get("configMap", {}).get("items", []):
        if not _has_key(manifests, volume["configMap"]["name"], item["key"]):
            yield f"{workload.title}: ConfigMap {volume['configMap']['name']} has no {item['key']}"
    if "configMap" in volume and manifests.find("ConfigMap", volume["configMap"]["name"]) is None:
        yield f"{workload.title}: there is no ConfigMap {volume['configMap']['name']}"


def _users(manifests: Manifests, claim: str) -> list[Workload]:
    return [
        workload
        for workload in manifests.workloads
        for volume in workload.pod.get("volumes", [])
        if volume.get("persistentVolumeClaim", {}).get("claimName") == claim
    ]


def _services(manifests: Manifests) -> Iterator[str]:
    for service in manifests.of("Service"):
        taken = manifests.selected({"matchLabels": service["spec"].get("selector", {})})
        if len(taken) != 1:
            yield f"{title(service)}: its selector takes the pods of {_all(taken)}, and must take those of one"
            continue
        for port in service["spec"]["ports"]:
            if taken[0].port(port.get("targetPort", port["port"])) is None:
                yield f"{title(service)}: {taken[0].title} has no port {port.get('targetPort', port['port'])}"


def _scalers(manifests: Manifests) -> Iterator[str]:
    for scaler in manifests.of("HorizontalPodAutoscaler"):
        spec = scaler["spec"]
        target = manifests.find(spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"])
        if target is None:
            yield f"{title(scaler)}: there is no {spec['scaleTargetRef']['name']} to scale"
            continue
        if "replicas" in target["spec"]:
            yield f"{title(target)}: replicas is the autoscaler's, and would be set anew by each apply"
        if not 1 <= spec["minReplicas"] < spec["maxReplicas"]:
            yield f"{title(scaler)}: minReplicas must be less than maxReplicas"
        for metric in spec["metrics"]:
            for container in Workload(target).containers:
                if metric["resource"]["name"] not in container.spec["resources"]["requests"]:
                    yield f"{title(scaler)}: {container.title} requests no {metric['resource']['name']} to compare with"


def _budgets(manifests: Manifests) -> Iterator[str]:
    for budget in manifests.of("PodDisruptionBudget"):
        taken = manifests.selected(budget["spec"]["selector"])
        if len(taken) != 1:
            yield f"{title(budget)}: its selector takes the pods of {_all(taken)}, and must take those of one"
            continue
        scalers = [
            scaler["spec"]["minReplicas"]
            for scaler in manifests.of("HorizontalPodAutoscaler")
            if scaler["spec"]["scaleTargetRef"]["name"] == taken[0].name
        ]
        fewest = min([*scalers, taken[0].spec.get("replicas", 10**9)])
        if budget["spec"].get("minAvailable", 0) >= fewest or budget["spec"].get("maxUnavailable", 1) < 1:
            yield f"{title(budget)}: with {fewest} pods it lets none go, and no node can ever be emptied"


def _ingresses(manifests: Manifests) -> Iterator[str]:
    for ingress in manifests.of("Ingress"):
        with_tls = {host for tls in ingress["spec"].get("tls", []) for host in tls["hosts"]}
        for rule in ingress["spec"]["rules"]:
            if rule["host"] not in with_tls:
                yield f"{title(ingress)}: {rule['host']} has no TLS"
            for path in rule["http"]["paths"]:
                wanted = path["backend"]["service"]
                service = manifests.find("Service", wanted["name"])
                if service is None:
                    yield f"{title(ingress)}: there is no Service {wanted['name']}"
                elif not _has_port(service, wanted["port"]):
                    yield f"{title(ingress)}: Service {wanted['name']} has no port {wanted['port']}"


def _has_port(service: Document, wanted: Document) -> bool:
    return any(
        wanted.get("name") == port.get("name") if "name" in wanted else wanted.get("number") == port["port"]
        for port in service["spec"]["ports"]
    )


def _unused(manifests: Manifests) -> Iterator[str]:
    for claim in manifests.of("PersistentVolumeClaim"):
        if not _users(manifests, claim["metadata"]["name"]):
            yield f"{title(claim)}: nobody uses it"


def _all(workloads: list[Workload]) -> str:
    return ", ".join(workload.name for workload in workloads) or "nobody"
