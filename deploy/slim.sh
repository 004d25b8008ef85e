#!/bin/sh
# Removes from a folder of installed packages what a running service never loads, a fifth of it:
#
#     sh slim.sh SITE_PACKAGES
set -eu
cd "$1"

# Tests that large wheels bring along. Not everybody's: Evidently's folders of that name are none. One file of NumPy's
# is no test either: numpy.testing, which SciPy imports, needs it.
for package in imblearn matplotlib numpy pandas pyarrow scipy sklearn statsmodels; do
  if [ -d $package ]; then
    find $package -type d -name tests ! -path 'numpy/_core/tests' -prune -exec rm -rf {} +
  fi
done
find numpy/_core/tests -mindepth 1 ! -name __init__.py ! -name _natype.py -prune -exec rm -rf {} +

# PyArrow's parts for talking to other servers, which it loads on demand, and what others would be compiled with.
rm -rf pyarrow/include pyarrow/src pyarrow/*flight*
# The same library under three names, of which one is what programs are linked to.
rm -f pyarrow/libarrow_python.so pyarrow/libarrow_python.so.*.*

# How SQLAlchemy talks to databases that are none of ours; MLflow's migrations name them.
[ -d mlflow ] || rm -rf sqlalchemy/dialects/mssql sqlalchemy/dialects/mysql sqlalchemy/dialects/oracle

# Helpers for others' tests.
rm -rf sqlalchemy/testing tornado/test xgboost/testing
# What colours source code in a terminal, for 500 languages; Python's, for tracebacks, stays.
find pygments/lexers -type f ! -name '__init__*' ! -name '_mapping*' ! -name 'python*' -delete

# Sources of what is compiled, and types.
find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.pyi' -o -name '*.h' -o -name '*.hpp' \
  -o -name '*.c' -o -name '*.a' \) -delete
