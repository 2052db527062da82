"""The operator of banktuner. Layers, each importing downwards only: runtime, agentapi, cluster, plan, manifests, settings."""
