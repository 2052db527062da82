"""A real single-node Kubernetes and S3 server from package registries alone; needs only Python itself."""
