"""``python -m ashiato``: the command line."""

from ashiato.cli import main

main()
