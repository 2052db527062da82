"""The command line of each daemon of the node."""

from localcluster import settings
from localcluster.processes import Daemon
from localcluster.settings import Paths


def etcd(paths: Paths) -> Daemon:
    pki, name = paths.pki, "etcd"
    client, peer = f"https://127.0.0.1:{settings.ETCD_PORT}", f"http://127.0.0.1:{settings.ETCD_PEER_PORT}"
    return Daemon(
        name,
        (
            "/usr/bin/etcd",
            f"--name={settings.NODE_NAME}",
            f"--data-dir={paths.cluster / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={settings.NODE_NAME}={peer}",
            "--client-cert-auth",
            f"--trusted-ca-file={pki / 'ca.crt'}",
            f"--cert-file={pki / 'etcd.crt'}",
            f"--key-file={pki / 'etcd.key'}",
            # a test cluster's data need not outlive the machine's power
            "--unsafe-no-fsync",
            "--auto-compaction-retention=1",
            "--quota-backend-bytes=4294967296",
            "--logger=zap",
        ),
        (pki / "etcd.crt",),
    )


def api_server(paths: Paths) -> Daemon:
    pki = paths.pki
    issuer = f"https://kubernetes.default.svc.{settings.CLUSTER_DOMAIN}"
    return Daemon(
        "kube-apiserver",
        (
            str(paths.bin / "kube-apiserver"),
            f"--advertise-address={settings.NODE_ADDRESS}",
            f"--secure-port={settings.API_PORT}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--client-ca-file={pki / 'ca.crt'}",
            f"--tls-cert-file={pki / 'apiserver.crt'}",
            f"--tls-private-key-file={pki / 'apiserver.key'}",
            f"--etcd-servers=https://127.0.0.1:{settings.ETCD_PORT}",
            f"--etcd-cafile={pki / 'ca.crt'}",
            f"--etcd-certfile={pki / 'apiserver-etcd.crt'}",
            f"--etcd-keyfile={pki / 'apiserver-etcd.key'}",
            f"--kubelet-certificate-authority={pki / 'ca.crt'}",
            f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
            f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer={issuer}",
            f"--service-account-key-file={pki / 'service-accounts.pub'}",
            f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
            f"--service-cluster-ip-range={settings.SERVICE_RANGE}",
            "--endpoint-reconciler-type=lease",
            "--allow-privileged=false",
            "--profiling=false",
        ),
        (pki / "apiserver.crt", pki / "ca.crt"),
    )


def controller_manager(paths: Paths) -> Daemon:
    pki, client = paths.pki, str(paths.config / "controller-manager.kubeconfig")
    return Daemon(
        "kube-controller-manager",
        (
            str(paths.bin / "kube-controller-manager"),
            f"--kubeconfig={client}",
            f"--authentication-kubeconfig={client}",
            f"--authorization-kubeconfig={client}",
            "--bind-address=127.0.0.1",
            f"--root-ca-file={pki / 'ca.crt'}",
            f"--service-account-private-key-file={pki / 'service-accounts.key'}",
            f"--cluster-signing-cert-file={pki / 'ca.crt'}",
            f"--cluster-signing-key-file={pki / 'ca.key'}",
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--controllers=*,-nodeipam",
        ),
        (pki / "controller-manager.crt",),
    )


def scheduler(paths: Paths) -> Daemon:
    client = str(paths.config / "scheduler.kubeconfig")
    return Daemon(
        "kube-scheduler",
        (
            str(paths.bin / "kube-scheduler"),
            f"--kubeconfig={client}",
            f"--authentication-kubeconfig={client}",
            f"--authorization-kubeconfig={client}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
        ),
        (paths.pki / "scheduler.crt",),
    )


def containerd(paths: Paths) -> Daemon:
    config = paths.config / "containerd.toml"
    return Daemon("containerd", ("/usr/bin/containerd", "--config", str(config)), (config,))


def kubelet(paths: Paths) -> Daemon:
    config = paths.config / "kubelet.json"
    return Daemon(
        "kubelet",
        (
            str(paths.bin / "kubelet"),
            f"--config={config}",
            f"--kubeconfig={paths.config / 'kubelet.kubeconfig'}",
            f"--root-dir={paths.kubelet}",
            f"--cert-dir={paths.kubelet / 'pki'}",
            f"--hostname-override={settings.NODE_NAME}",
            f"--node-ip={settings.NODE_ADDRESS}",
            "--v=2",
        ),
        (config, paths.pki / "kubelet.crt"),
    )


def kube_proxy(paths: Paths) -> Daemon:
    config = paths.config / "kube-proxy.json"
    return Daemon("kube-proxy", (str(paths.bin / "kube-proxy"), f"--config={config}"), (config,))


def object_store(paths: Paths, address: str, access_key: str, secret_key: str) -> Daemon:
    """versitygw at an address that host and pods reach alike. Its keys travel in the environment only."""
    return Daemon(
        "versitygw",
        (
            str(paths.bin / "versitygw"),
            "--port",
            f"{address}:{settings.S3_PORT}",
            "--region",
            settings.REGION,
            "posix",
            str(paths.s3),
        ),
        env={"ROOT_ACCESS_KEY": access_key, "ROOT_SECRET_KEY": secret_key},
    )
