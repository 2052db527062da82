"""What the bank's documents say: read, cut into chunks, embedded, indexed by a Job, and searched by the gateway."""
