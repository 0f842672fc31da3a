"""Lets ``python -m services.cli`` stand in for ``ringfence``."""

from services.cli import main

if __name__ == "__main__":
    main()
