"""A judge applied to texts: a table, row by row, or one item at a time."""
