"""`python -m wherry`: the same as the command."""

from wherry.cli import main

if __name__ == "__main__":
    main()
