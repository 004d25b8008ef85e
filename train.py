"""Train the loan-default model.

    python train.py                       # data/Default_Fin.csv, default options
    python train.py --data mine.csv       # another file with the same columns
    python train.py --help

The same as `loan-default train`. The stages are in `loan_default/training/`, their order in its `run.py`.
"""

import typer

from loan_default.cli.run import train

if __name__ == "__main__":
    typer.run(train)
