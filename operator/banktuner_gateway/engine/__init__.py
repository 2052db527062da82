"""The upstream: asks the engine's Service in the OpenAI form that vLLM and TGI both speak."""
