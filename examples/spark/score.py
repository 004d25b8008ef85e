"""Scores a Parquet table on Spark with the registered model.

    python score.py models:/loan_default_model@production applicants.parquet scored.parquet

The table has the declared columns by their API names; all its columns are kept. MLFLOW_TRACKING_URI says where the
registry is, SPARK_MASTER where Spark is (here, on all cores, unless it is set). See docs/spark.md.
"""

import argparse
import os
import sys
import time

import mlflow
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import struct

RESULT = "probability double, prediction long, default_risk string"
# Rows that Spark hands to Python at once: its 10,000 halve the speed.
BATCH_ROWS = "100000"


def score(spark: SparkSession, model: str, table: DataFrame) -> DataFrame:
    """The table with `probability`, `prediction` and `default_risk` of each row.

    Args:
        spark: the session of the table.
        model: its URI in the registry. Spark hands it on to the workers, which need the packages of
            requirements/spark.txt.
        table: has each column that the model takes; others are kept.
    """
    signature = mlflow.models.get_model_info(model).signature
    # MLflow takes neither decimals nor 64-bit integers for doubles. Spark's names of the types are the signature's own.
    taken = [table[column.name].cast(column.type.name).alias(column.name) for column in signature.inputs.inputs]
    scored = mlflow.pyfunc.spark_udf(spark, model, result_type=RESULT, env_manager="local")
    return table.withColumn("scored", scored(struct(*taken))).select(*table.columns, "scored.*")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "source", "target"):
        parser.add_argument(name)
    given = parser.parse_args()
    os.environ["PYSPARK_PYTHON"] = sys.executable  # workers run the same Python, with the same packages
    builder = SparkSession.builder.master(os.environ.get("SPARK_MASTER", "local[*]")).appName("loan_default")
    spark = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", BATCH_ROWS).getOrCreate()
    started = time.monotonic()
    score(spark, given.model, spark.read.parquet(given.source)).write.mode("overwrite").parquet(given.target)
    seconds, rows = time.monotonic() - started, spark.read.parquet(given.target).count()
    print(f"{rows:,} rows in {seconds:.1f} s, {rows / seconds:,.0f} rows/s")
    spark.stop()


if __name__ == "__main__":
    main()
