"""A real single-node Kubernetes and S3 server from package registries alone; needs nothing but Python's standard library."""
