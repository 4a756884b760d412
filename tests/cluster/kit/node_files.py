"""The configuration of a node's parts, as files. What each line is for is said where it is not plain."""

import json
from pathlib import Path
from string import Template

ADDRESS = "10.99.0.1"
API = f"https://{ADDRESS}:6443"
ETCD = "http://127.0.0.1:12379"
SERVICES = "10.96.0.0/16"
DNS = "10.96.0.10"
PODS = "10.244.0.0/16"
NETWORK_PLUGINS = Path("/usr/lib/cni")

# Every pod has a link of its own to the node, and all is routed: no bridge, hence no bridge's exceptions to the rules
# of Services, and no rule of a firewall to clear away afterwards.
POD_NETWORK = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.244.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": "$state/addresses",
            },
        }
    ],
}

# restrict_oom_score_adj: without CAP_SYS_RESOURCE (in a container) runc cannot lower a sandbox's score, and fails.
CONTAINERD = """\
version = 2
root = "$state/containerd/root"
state = "$state/containerd/run"

[grpc]
  address = "$state/containerd/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$plugins"
    conf_dir = "$state/network"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""

# failCgroupV1: older kernels have nothing newer. syncFrequency: a changed Secret is in its pods within seconds.
# No image is ever collected: none could be fetched again.
KUBELET = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
failSwapOn: false
containerRuntimeEndpoint: unix://$state/containerd/containerd.sock
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $state/pki/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $state/pki/kubelet.crt
tlsPrivateKeyFile: $state/pki/kubelet.key
clusterDomain: cluster.local
clusterDNS: [$dns]
resolvConf: $state/resolv.conf
podLogsDir: $state/pods
makeIPTablesUtilChains: false
syncFrequency: 10s
imageGCHighThresholdPercent: 100
evictionHard: {nodefs.available: 1Gi, memory.available: 200Mi}
"""

# Who asked what, once each: what a test of the operator's frugality counts.
AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


def write_node_files(state: Path) -> None:
    """Write every configuration under ``state``."""
    files = {
        "network/10-pods.conflist": json.dumps(POD_NETWORK, indent=1),
        "containerd/config.toml": CONTAINERD,
        "kubelet.yaml": KUBELET,
        "audit.yaml": AUDIT,
        "resolv.conf": "nameserver 127.0.0.1\n",  # for pods that take the node's names: there are none
    }
    for name, text in files.items():
        path = state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template(text).substitute(state=state, plugins=NETWORK_PLUGINS, dns=DNS))
