"""nginx.conf of the proxy: the only port of an engine pod, with the paths that may be reached from outside it."""

from banktuner_api import names
from banktuner_api.bankingmodel import Engine
from banktuner_api.serving import MODEL_HEADER

PATHS = {
    Engine.VLLM: ("/health", "/metrics", "/v1/models", "/v1/chat/completions", "/v1/completions"),
    Engine.TGI: ("/health", "/metrics", "/info", "/v1/chat/completions"),
}
GUARDED = "/v1/chat/completions"
READ_TIMEOUT_SECONDS = 300

_CONFIGURATION = """\
worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  server_tokens off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
  client_max_body_size 2m;
  default_type application/json;
{maps}  upstream engine {{ server 127.0.0.1:{engine_port}; keepalive 32; }}
  server {{
    listen {proxy_port};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_buffering off;
    proxy_read_timeout {timeout}s;
    error_page 502 = @absent;
    location @absent {{ {absent} }}
    location / {{ return 404 '{{"message": "not served here"}}'; }}
{locations}
  }}
}}
"""

# TGI answers an adapter that it did not load from the base model, without an error: while pods are replaced, an old
# one would do so for a new adapter. So each pod's proxy takes only what that pod has staged, and the gateway then asks
# for the version before.
_TGI_MAP = f"""\
  map_hash_bucket_size 128;
  map $http_{MODEL_HEADER.lower().replace("-", "_")} $served {{
    default 0;
    {names.TGI_BASE_MODEL} 1;
    include {names.SERVED_MAP};
  }}
"""
_TGI_GUARD = """if ($served = 0) { return 404 '{"message": "this pod does not have that adapter"}'; } """


# Of a question that no engine took (it starts, or starts again) the gateway may ask once more; after any other fault it
# must not: the engine may have begun to answer.
_ABSENT = "if ($upstream_bytes_sent = 0) { return 503; } return 502;"


def configuration(engine: Engine) -> str:
    """The whole file. Paths that load adapters are not in it: they are reached from inside the pod only."""
    locations = "\n".join(f"    location = {path} {{ {_action(engine, path)} }}" for path in PATHS[engine])
    return _CONFIGURATION.format(
        engine_port=names.ENGINE_PORT,
        proxy_port=names.PROXY_PORT,
        timeout=READ_TIMEOUT_SECONDS,
        absent=_ABSENT,
        locations=locations,
        maps=_TGI_MAP if engine is Engine.TGI else "",
    )


def _action(engine: Engine, path: str) -> str:
    guard = _TGI_GUARD if engine is Engine.TGI and path == GUARDED else ""
    return f"{guard}proxy_pass http://engine;"
