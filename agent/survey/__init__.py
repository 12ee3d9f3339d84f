"""Coverage surveys: spots recorded with a radio, read from captures or imported; reports and heat maps of them."""
