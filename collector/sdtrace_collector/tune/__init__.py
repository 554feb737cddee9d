"""`sdtrace tune`: find the fastest settings of a model by trying what its findings advise."""
