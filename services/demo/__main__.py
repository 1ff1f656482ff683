"""Run the demo: `make demo`, or `python -m services.demo`."""

from services.demo.launcher import main

if __name__ == "__main__":
    main()
