"""The report's figures as plotly figures: each one function from tables to a `Live`, in plain dicts."""
