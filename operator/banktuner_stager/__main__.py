"""`python -m banktuner_stager COMMAND`."""

from banktuner_stager.main import main

main()
