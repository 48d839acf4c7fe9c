"""Kubernetes' pod security standard, level "restricted": each control by its published name.

A control looks at one pod's spec (and annotations) and names what breaks it. Source: "Pod Security
Standards" of Kubernetes' documentation, as of 1.37; Windows' controls are kept, though nothing here
runs on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Spec = dict[str, Any]
Control = Callable[[Spec], Iterator[str]]

_HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_SYSCTLS = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    }
)


def containers(spec: Spec) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every container with its name, of all three kinds."""
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(kind, []):
            yield container["name"], container


def _contexts(spec: Spec) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "the pod", spec.get("securityContext", {})
    for name, container in containers(spec):
        yield name, container.get("securityContext", {})


def host_process(spec: Spec) -> Iterator[str]:
    for name, context in _contexts(spec):
        if context.get("windowsOptions", {}).get("hostProcess"):
            yield name


def host_namespaces(spec: Spec) -> Iterator[str]:
    yield from (key for key in _HOST_NAMESPACES if spec.get(key))


def privileged_containers(spec: Spec) -> Iterator[str]:
    yield from (name for name, context in _contexts(spec) if context.get("privileged"))


def host_path_volumes(spec: Spec) -> Iterator[str]:
    yield from (v["name"] for v in spec.get("volumes", []) if "hostPath" in v)


def host_ports(spec: Spec) -> Iterator[str]:
    for name, container in containers(spec):
        if any(port.get("hostPort") for port in container.get("ports", [])):
            yield name


def host_probes(spec: Spec) -> Iterator[str]:
    for name, container in containers(spec):
        probes = [
            container.get(f"{kind}Probe", {}) for kind in ("liveness", "readiness", "startup")
        ]
        hooks = container.get("lifecycle", {}).values()
        for action in [*probes, *hooks]:
            if any(action.get(kind, {}).get("host") for kind in ("httpGet", "tcpSocket")):
                yield name


def app_armor(spec: Spec) -> Iterator[str]:
    for name, context in _contexts(spec):
        if context.get("appArmorProfile", {}).get("type") == "Unconfined":
            yield name


def se_linux(spec: Spec) -> Iterator[str]:
    for name, context in _contexts(spec):
        options = context.get("seLinuxOptions", {})
        if options.get("type", "") not in _SELINUX or options.get("user") or options.get("role"):
            yield name


def proc_mount_type(spec: Spec) -> Iterator[str]:
    for name, context in _contexts(spec):
        if context.get("procMount", "Default") != "Default":
            yield name


def sysctls(spec: Spec) -> Iterator[str]:
    listed = spec.get("securityContext", {}).get("sysctls", [])
    yield from (s["name"] for s in listed if s["name"] not in _SYSCTLS)


def volume_types(spec: Spec) -> Iterator[str]:
    for volume in spec.get("volumes", []):
        if not _VOLUMES.issuperset(volume.keys() - {"name"}):
            yield volume["name"]


def privilege_escalation(spec: Spec) -> Iterator[str]:
    for name, container in containers(spec):
        if container.get("securityContext", {}).get("allowPrivilegeEscalation") is not False:
            yield name


def running_as_non_root(spec: Spec) -> Iterator[str]:
    whole = spec.get("securityContext", {}).get("runAsNonRoot")
    for name, container in containers(spec):
        if container.get("securityContext", {}).get("runAsNonRoot", whole) is not True:
            yield name


def running_as_non_root_user(spec: Spec) -> Iterator[str]:
    yield from (name for name, context in _contexts(spec) if context.get("runAsUser") == 0)


def seccomp(spec: Spec) -> Iterator[str]:
    whole = spec.get("securityContext", {}).get("seccompProfile", {}).get("type")
    for name, container in containers(spec):
        own = container.get("securityContext", {}).get("seccompProfile", {}).get("type", whole)
        if own not in ("RuntimeDefault", "Localhost"):
            yield name


def capabilities(spec: Spec) -> Iterator[str]:
    for name, container in containers(spec):
        asked = container.get("securityContext", {}).get("capabilities", {})
        added = set(asked.get("add", [])) - {"NET_BIND_SERVICE"}
        if "ALL" not in asked.get("drop", []) or added:
            yield name


#: By the names of the standard. The baseline's own forms of seccomp and capabilities are weaker
#: than the ones here.
CONTROLS: dict[str, Control] = {
    "HostProcess": host_process,
    "Host Namespaces": host_namespaces,
    "Privileged Containers": privileged_containers,
    "HostPath Volumes": host_path_volumes,
    "Host Ports": host_ports,
    "Host Probes / Lifecycle Hooks": host_probes,
    "AppArmor": app_armor,
    "SELinux": se_linux,
    "/proc Mount Type": proc_mount_type,
    "Sysctls": sysctls,
    "Volume Types": volume_types,
    "Privilege Escalation": privilege_escalation,
    "Running as Non-root": running_as_non_root,
    "Running as Non-root user": running_as_non_root_user,
    "Seccomp": seccomp,
    "Capabilities": capabilities,
}


def broken(spec: Spec) -> list[str]:
    """`control: where`, for each control that the pod does not keep."""
    return [f"{name}: {where}" for name, control in CONTROLS.items() for where in control(spec)]
