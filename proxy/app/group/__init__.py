"""Several workers under a supervisor, which holds what is of all of them."""
