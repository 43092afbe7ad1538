"""How an organisation's nodes are run on a machine that lasts: units of systemd, and a file for compose.

Nothing in them is secret: keys and secrets lie in the organisation's folder, which only the service's user reads.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.cluster.peer import ClusterPeer
from engines.kubo.node import KuboNode
from engines.organisation import Organisation

USER = "theriac"


@dataclass(frozen=True)
class Service:
    """One program: its name, its command, what it needs of the environment, and after which other it begins."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]
    after: str = ""


def services(organisation: Organisation) -> list[Service]:
    """The programs of an organisation, in the order in which they begin."""
    found = [Service("chain", organisation.kaia.command, {})]
    if organisation.store is None or organisation.cluster is None or organisation.guests is None:
        return found
    found += [_kubo("store", organisation.store), _kubo("guests", organisation.guests)]
    found.append(_peer("cluster", organisation.cluster, after="guests"))
    for kept, keeper in zip(organisation.kept(), organisation.keepers(), strict=True):
        found.append(_peer(f"keeper-{kept.name}", keeper, after="guests"))
    return found


def _kubo(name: str, node: KuboNode) -> Service:
    environment = {"IPFS_PATH": str(node.folder), "IPFS_TELEMETRY": "off"}
    return Service(name, node.daemon.command, environment)


def _peer(name: str, peer: ClusterPeer, *, after: str) -> Service:
    return Service(name, peer.daemon.command, {"IPFS_CLUSTER_PATH": str(peer.folder)}, after)


def write_units(organisation: Organisation) -> tuple[Path, ...]:
    """Writes all of it into the folder's `units`, and what the nodes read when they start."""
    organisation.configure_chain()
    organisation.configure_store()
    folder = organisation.folder / "units"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*"):
        old.unlink()
    found = services(organisation)
    written = []
    for each in found:
        path = folder / f"theriac-{organisation.name}-{each.name}.service"
        path.write_text(unit(organisation, each))
        written.append(path)
    path = folder / "compose.yaml"
    path.write_text(compose(organisation, found))
    return (*written, path)


def unit(organisation: Organisation, service: Service) -> str:
    """A unit of systemd for one program: no rights, and nothing to write to but the organisation's folder."""
    prefix = f"theriac-{organisation.name}"
    after = ["network-online.target", *([f"{prefix}-{service.after}.service"] if service.after else [])]
    environment = "".join(f'Environment="{name}={value}"\n' for name, value in service.environment.items())
    command = " ".join(_quoted(part) for part in service.command)
    return f"""\
[Unit]
Description=Theriac: {service.name} of {organisation.name}
Wants=network-online.target
After={" ".join(after)}
{f"BindsTo={prefix}-{service.after}.service" if service.after else ""}

[Service]
User={USER}
Group={USER}
{environment}ExecStart={command}
Restart=on-failure
RestartSec=5
TimeoutStopSec=60
UMask=0077
StateDirectory=theriac
ReadWritePaths={organisation.folder}
LimitNOFILE=65536
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
""".replace("\n\n\n", "\n\n")


def compose(organisation: Organisation, found: Sequence[Service]) -> str:
    """A file for compose: the same programs in containers that share the machine's network and one folder each.

    Loopback must be the machine's own, as clients reach the nodes there alone.
    """
    rows: list[str] = [
        "# Written by `ape run member join`. The programs are this machine's, built by `make engines`.",
        f"name: theriac-{organisation.name}",
        "services:",
    ]
    for each in found:
        rows += [
            f"  {each.name}:",
            "    image: ${THERIAC_IMAGE:-debian:stable-slim}",
            "    network_mode: host",
            '    user: "${THERIAC_UID:-1000}:${THERIAC_GID:-1000}"',
            "    restart: on-failure",
            "    read_only: true",
            "    cap_drop: [ALL]",
            '    security_opt: ["no-new-privileges:true"]',
            "    tmpfs: [/tmp]",
            f"    command: {json.dumps([str(part) for part in each.command])}",
        ]
        if each.environment:
            rows.append("    environment:")
            rows += [f"      {name}: {json.dumps(value)}" for name, value in each.environment.items()]
        program = Path(each.command[0])
        rows += [
            "    volumes:",
            f"      - {json.dumps(f'{organisation.folder}:{organisation.folder}')}",
            f"      - {json.dumps(f'{program.parent}:{program.parent}:ro')}",
        ]
        if each.after:
            rows.append(f"    depends_on: [{each.after}]")
    return "\n".join(rows) + "\n"


def _quoted(part: str) -> str:
    """A word of a command as systemd reads it."""
    escaped = str(part).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(letter in escaped for letter in ' "\\;') else escaped
