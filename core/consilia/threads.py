"""How many threads a process that computes may use. Imports nothing: it is read before anything else is loaded."""

# Threads of a BLAS library change the order of additions, and with it the last bits of a model.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
