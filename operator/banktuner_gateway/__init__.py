"""The gateway: the only way in to a BankingModel. Authenticates callers, picks the adapter, asks the engine."""
