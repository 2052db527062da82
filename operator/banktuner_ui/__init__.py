"""The chat page of a BankingModel: a client of its gateway's HTTP API, in the browser by Gradio."""
