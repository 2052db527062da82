"""`python -m banktuner_stager COMMAND`."""

from banktuner_stager.signals import hold

# Reading the modules takes a second: a signal that came meanwhile would kill, or be lost as it is to a pod's process 1.
hold()

from banktuner_stager.main import main  # noqa: E402

main()
