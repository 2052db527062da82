"""Where the gateway finds its files and what is in gateway.json."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from banktuner_api import names
from banktuner_api.serving import GatewayConfig


class SettingsError(Exception):
    """gateway.json cannot be used. The message names the file and the fields."""


@dataclass(frozen=True)
class Settings:
    """Everything the process is started with."""

    config: GatewayConfig
    config_dir: Path
    tokens_dir: Path
    token_file: Path
    secrets_dir: Path
    work_dir: Path
    audit_dir: Path
    host: str
    port: int

    @property
    def audit_key(self) -> Path | None:
        """File with the key of the audit trail's HMAC, where there is one."""
        return self._existing(self.secrets_dir / "audit" / "key")

    @property
    def redis_url(self) -> Path | None:
        """File with the conversation server's address, where there is one."""
        return self._existing(self.secrets_dir / "redis" / "url")

    @property
    def classifier(self) -> Path | None:
        """Folder of the classifier's ONNX export, where there is one."""
        return self._existing(self.work_dir / "classifier")

    @property
    def name_model(self) -> Path | None:
        """Folder of the model that finds people's names, where there is one."""
        return self._existing(self.work_dir / names.NAME_MODEL_DIR.name)

    @property
    def retrieval(self) -> Path | None:
        """retrieval.json, where there is one."""
        return self._existing(self.config_dir / "retrieval.json")

    @staticmethod
    def _existing(path: Path) -> Path | None:
        return path if path.exists() else None


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The defaults are what a gateway pod mounts; the options serve a run outside of a pod."""
    parser = argparse.ArgumentParser(prog="banktuner_gateway", description="The gateway of a BankingModel.")
    parser.add_argument("--config-dir", type=Path, default=names.CONFIG_DIR, help="gateway.json, desired.json, ca.crt")
    parser.add_argument("--tokens-dir", type=Path, default=names.TOKENS_DIR, help="one file a caller: SHA-256 in hex")
    parser.add_argument("--token-file", type=Path, default=names.TOKEN_FILE, help="token for the agent API")
    parser.add_argument("--secrets-dir", type=Path, default=names.SECRETS_DIR, help="audit/key, redis/url")
    parser.add_argument(
        "--work-dir", type=Path, default=names.WORK_DIR, help="classifier/, names/, and room for the encoder"
    )
    parser.add_argument("--audit-dir", type=Path, default=names.AUDIT_DIR, help="the volume of the audit trail")
    # All addresses: the pod's own address is not known here, and the pod's NetworkPolicy says who may call.
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=names.GATEWAY_PORT)
    return parser.parse_args(arguments)


def load_settings(options: argparse.Namespace) -> Settings:
    """Read gateway.json. Raises SettingsError."""
    return Settings(
        config=_read_config(options.config_dir / names.GATEWAY_CONFIG_KEY),
        config_dir=options.config_dir,
        tokens_dir=options.tokens_dir,
        token_file=options.token_file,
        secrets_dir=options.secrets_dir,
        work_dir=options.work_dir,
        audit_dir=options.audit_dir,
        host=options.host,
        port=options.port,
    )


def _read_config(path: Path) -> GatewayConfig:
    try:
        return GatewayConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; the ConfigMap must carry {path.name}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise SettingsError(f"{path}: {wrong}") from error
