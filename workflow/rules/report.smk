# The figures, the tables and the report.
