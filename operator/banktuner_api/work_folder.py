"""The volume that the containers of a job's pod share: `stage` and `publish` on one side, the trainer on the other."""

from pathlib import Path


class WorkFolder:
    """Where what they hand each other lies; a subclass says where the volume is mounted."""

    work: Path

    @property
    def control(self) -> Path:
        """Files of the handshake."""
        return self.work / "control"

    @property
    def model(self) -> Path:
        """The staged base model."""
        return self.work / "model"

    @property
    def encoder(self) -> Path:
        """The staged sentence encoder, where the evaluation names one."""
        return self.work / "encoder"

    @property
    def promoted(self) -> Path:
        """The artifact that serves now, where the evaluation compares with it."""
        return self.work / "promoted"

    @property
    def resume(self) -> Path:
        """The checkpoint of an earlier attempt that this one goes on from, where `stage` found one."""
        return self.work / "resume"

    @property
    def output(self) -> Path:
        """Files of the artifact."""
        return self.work / "output"
