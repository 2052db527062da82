"""The OpenAI form of the gateway's API: what its clients send and expect."""
