"""Sets of values with which the chart is tried: as text, and on an API server."""

from typing import Any

VALUES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "another registry": {
        "image": {
            "registry": "registry.example/team",
            "tag": "1.2.3",
            "pullPolicy": "Always",
            "pullSecrets": ["registry-keys"],
            "allowed": ["registry.example/team", "quay.example"],
        }
    },
    "an mlflow that exists": {"mlflow": {"uri": "https://mlflow.example:8443"}},
    "neither mlflow nor dashboard": {"mlflow": {"enabled": False}, "dashboard": {"enabled": False}},
    "a login of one's own": {"dashboard": {"loginSecret": "ours"}},
    "published": {
        "dashboard": {
            "ingress": {
                "enabled": True,
                "className": "nginx",
                "host": "consilia.example",
                "tlsSecret": "consilia-tls",
                "annotations": {"example.com/timeout": "3600"},
            }
        },
        "mlflow": {"allowedHosts": ["runs.example"], "ingress": {"enabled": True, "host": "mlflow.example"}},
    },
    "placed": {
        "storageClass": "fast",
        "mlflow": {"storage": "20Gi", "nodeSelector": {"disk": "ssd"}},
        "operator": {"tolerations": [{"key": "control", "operator": "Exists"}]},
        "dashboard": {"affinity": {"nodeAffinity": {}}, "priorityClassName": "people-first"},
    },
    "monitored": {
        "serviceMonitor": {
            "enabled": True,
            "interval": "15s",
            "labels": {"release": "prometheus"},
            "namespace": "monitoring",
        }
    },
    "runs in a postgresql": {"mlflow": {"backendStore": {"secret": "runs-app", "port": 6432}}},
    "artifacts behind an s3 api": {
        "mlflow": {
            "artifacts": {
                "destination": "s3://models/consilia",
                "endpoint": "http://minio.storage.svc:9000",
                "secret": "models-keys",
            }
        }
    },
    "nothing on a volume": {
        "mlflow": {
            "backendStore": {"secret": "runs-app", "key": "address"},
            "artifacts": {"destination": "s3://models", "secret": "models-keys", "region": "eu-central-1"},
        }
    },
    "certificates of cert-manager": {"certificates": {"issuer": {"kind": "Issuer", "name": "hospital-net"}}},
    "without policies": {"networkPolicies": {"enabled": False}},
    "definitions elsewhere": {"crds": {"install": False}},
}
