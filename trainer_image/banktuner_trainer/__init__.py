"""The training container: reads run.json, trains, evaluates, writes the artifact and asks `publish` to commit."""

VERSION = "0.1.0"
