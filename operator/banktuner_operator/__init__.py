"""The operator of banktuner: runtime, agentapi, cluster, plan, manifests, settings; each imports downwards only."""
