"""The cluster's own certificate authority: one client or server certificate a component, made with openssl."""

from pathlib import Path

from localcluster import settings
from localcluster.settings import Paths
from localcluster.shell import run, write_private

DAYS = "3650"
REMEDY = "install openssl, then run `make up` again"

# file name -> (subject, alternative names)
CLIENTS = {
    "admin": "/O=system:masters/CN=banktuner-admin",
    "apiserver-kubelet": "/O=system:masters/CN=kube-apiserver-kubelet-client",
    "apiserver-etcd": "/CN=kube-apiserver-etcd-client",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kube-proxy": "/CN=system:kube-proxy",
    "kubelet": f"/O=system:nodes/CN=system:node:{settings.NODE_NAME}",
}
API_NAMES = (
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
    f"DNS:kubernetes.default.svc.{settings.CLUSTER_DOMAIN},DNS:localhost,"
    f"IP:127.0.0.1,IP:{settings.NODE_ADDRESS},IP:{settings.API_SERVICE_ADDRESS}"
)
SERVERS = {
    "apiserver": ("/CN=kube-apiserver", API_NAMES),
    "etcd": ("/CN=etcd", "DNS:localhost,IP:127.0.0.1"),
    "kubelet-server": (
        f"/CN=system:node:{settings.NODE_NAME}",
        f"DNS:{settings.NODE_NAME},IP:{settings.NODE_ADDRESS}",
    ),
}


def ensure_certificates(paths: Paths) -> None:
    """Make what is missing; an interrupted run left each pair complete or absent."""
    pki = paths.pki
    pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_authority(pki)
    for name, subject in CLIENTS.items():
        make_certificate(pki, name, subject, "extendedKeyUsage=clientAuth")
    for name, (subject, names) in SERVERS.items():
        # etcd's gateway talks to itself with its server certificate
        make_certificate(pki, name, subject, f"extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName={names}")
    make_signing_key(pki)


def make_authority(pki: Path) -> None:
    if (pki / "ca.crt").exists():
        return
    key, new = pki / "ca.key", pki / "ca.crt.new"
    new_key(key)
    extensions = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    subject = ("-subj", "/CN=banktuner-local-ca", "-days", DAYS)
    run(("openssl", "req", "-x509", "-new", "-key", str(key), *subject, *extensions, "-out", str(new)), remedy=REMEDY)
    new.replace(pki / "ca.crt")


def make_certificate(pki: Path, name: str, subject: str, extensions: str) -> None:
    """One key and its certificate, signed by our authority; the certificate appears last."""
    certificate = pki / f"{name}.crt"
    if certificate.exists():
        return
    key, request, new = pki / f"{name}.key", pki / f"{name}.csr", pki / f"{name}.crt.new"
    new_key(key)
    run(("openssl", "req", "-new", "-key", str(key), "-subj", subject, "-out", str(request)), remedy=REMEDY)
    options = pki / f"{name}.ext"
    options.write_text(f"basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n{extensions}\n")
    authority = ("-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key"), "-CAcreateserial")
    signing = ("openssl", "x509", "-req", "-in", str(request), *authority, "-days", DAYS)
    run((*signing, "-extfile", str(options), "-out", str(new)), remedy=REMEDY)
    new.replace(certificate)
    request.unlink()
    options.unlink()


def make_signing_key(pki: Path) -> None:
    """The pair that signs service-account tokens."""
    if (pki / "service-accounts.pub").exists():
        return
    key, new = pki / "service-accounts.key", pki / "service-accounts.new"
    new_key(key)
    run(("openssl", "pkey", "-in", str(key), "-pubout", "-out", str(new)), remedy=REMEDY)
    new.replace(pki / "service-accounts.pub")


def new_key(path: Path) -> None:
    write_private(path, run(("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"), remedy=REMEDY))
