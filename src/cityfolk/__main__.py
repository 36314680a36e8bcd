"""`python -m cityfolk`."""

from cityfolk.cli.main import main

main()
