"""Charts: each module prepares the data and the drawings of one kind of chart, which a template prints."""
