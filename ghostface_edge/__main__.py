"""``python -m ghostface_edge``: the command."""

from .cli import main

if __name__ == "__main__":
    main()
