"""`python -m sdtrace`, where the command is not on the path."""

from sdtrace.cli.main import program

if __name__ == "__main__":
    program()
