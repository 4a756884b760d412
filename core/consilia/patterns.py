"""The forms of texts in documents, each with its words for people.

Written so that Python, Rust (pydantic) and Go (an API server's CEL) read them alike: no look-around, no class by name.
"""

LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""An RFC 1123 label."""
HOSPITAL = r"^[a-z0-9]([-a-z0-9]{0,52}[a-z0-9])?$"
"""A shorter one."""
FEDERATION = r"^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)$"
"""The name of a federation, or all of them."""
SUBDOMAIN = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
"""An RFC 1123 subdomain: labels with dots between them."""
DURATION = r"^[0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h)$"
# Quantities as Kubernetes has them, without the forms that nobody writes (exponents, signs, n, u, P, E).
CPU = r"^([0-9]{1,4}(\.[0-9]{1,3})?|[1-9][0-9]{0,6}m)$"
BYTES = r"^[1-9][0-9]{0,8}(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)$"
IMAGE = (
    r"^[a-zA-Z0-9]+([._-]+[a-zA-Z0-9]+)*(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    r"(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$"
)
"""A reference to an image; one without a registry is the container runtime's to look for."""
LABEL_KEY = r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$"
LABEL_VALUE = r"^([a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?)?$"
URL = r"^https?://[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?(/[^ @?#]*)?$"
"""Of a server; without a user and a password, for a spec is no place for a secret."""
DIGEST = r"^[0-9a-f]{64}$"
DATA_PATH = r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^?#]+|[^/?#][^?#]*)$"
"""Of files: relative, or of an object store."""
DATABASE_URL = (
    r"^(postgresql://[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?/[^ @?#/]+"
    r"([?]sslmode=(require|verify-ca|verify-full))?|sqlite:///[^/ ?#][^?#]*)$"
)
JDBC_URL = r"^jdbc:[a-z0-9]+:[^ @]+$"
SQL_NAME = r"^[a-zA-Z_][a-zA-Z0-9_]{0,62}$"
ENCODING = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,31}$"
CODE = r"^[a-zA-Z0-9][a-zA-Z0-9._:|/-]{0,63}$"
UNIT = r"^[^ ].{0,63}$"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
CIDR = rf"^{_OCTET}([.]{_OCTET}){{3}}/(3[0-2]|[12]?[0-9])$"

_LABEL = "an RFC 1123 label: small letters, digits and hyphens between them"

WORDS = {
    LABEL: _LABEL,
    HOSPITAL: _LABEL,
    FEDERATION: f'{_LABEL}; or "*"',
    SUBDOMAIN: "an RFC 1123 subdomain: small letters, digits, and hyphens and dots between them",
    DIGEST: "a SHA-256 in hexadecimal: 64 digits and small letters from a to f",
    DURATION: "a duration such as 30s, 2m or 1h",
    CPU: "a number of cores such as 2, 0.5 or 500m",
    BYTES: "a size such as 512Mi or 2Gi",
    IMAGE: "the name of an image such as registry.example/team/agent:1.2",
    LABEL_KEY: "the key of a label such as example.com/pool",
    LABEL_VALUE: "the value of a label: letters, digits, and hyphens, dots and underscores between them",
    DATA_PATH: "a path within the claim such as biopsies.csv or exports/2024, or s3://bucket/key",
    DATABASE_URL: "a database without user and password, such as postgresql://db.example:5432/clinic or "
    "sqlite:///clinic.db; ?sslmode=require, verify-ca or verify-full may follow the first",
    JDBC_URL: "a database without user and password, such as jdbc:postgresql://db.example:5432/clinic",
    SQL_NAME: "the name of a schema: letters, digits and underscores",
    ENCODING: "an encoding such as utf-8 or latin-1",
    CODE: "a code such as 718-7, or the number of a concept",
    UNIT: "a unit such as mg/dL or mm",
    CIDR: "a block of IPv4 addresses such as 10.20.0.0/16",
    URL: "an address such as https://mlflow.example:5000, without user and password",
}
"""What a text that matches is, as the end of: it must be ..."""
