"""The page itself: charts, styles and markup, with everything inlined."""
