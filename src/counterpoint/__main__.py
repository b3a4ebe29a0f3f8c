"""`python -m counterpoint`, which torchrun needs."""

from counterpoint.cli import main

if __name__ == "__main__":
    main()
