"""A bank's business or not: judged before a question reaches the model, and again in what the model says."""
